import { describe, expect, it } from 'vitest';
import { fullFor, TestDevice } from './budget.device.js';
import { needOf } from './budget.fixture.js';

const device = new TestDevice();
const { open, at, ask, take, give, held } = device;

describe('who waits', () => {
  it('is told its place and when to ask again, the later the further behind', async () => {
    await take('a', needOf({ target: 1000 }));
    const places = [];
    for (const job of ['b', 'c', 'd', 'e', 'f', 'g']) places.push(await ask(job, needOf({ target: 10 })));
    expect(places.map((reply) => reply.outcome === 'full' && reply.full.position)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(places.map((reply) => reply.outcome === 'full' && reply.full.retryAfterMs)).toEqual([
      100, 200, 300, 400, 500, 500,
    ]);
    expect(await ask('c', needOf({ target: 10 }))).toMatchObject({ full: { position: 2 } });
  });

  it('gets the least that all can have while others wait, instead of making them wait longer', async () => {
    const lease = await take('a', needOf({ target: 1000 }));
    for (const job of ['b', 'c', 'd']) await ask(job, needOf({ target: 900, min: 300 }));
    await give(lease);
    const elastic = needOf({ target: 900, min: 300 });
    // 1000 free: 300 for each of three, and a third of the 100 left over for the first.
    expect(await ask('b', elastic)).toMatchObject({ granted: { grantedBytes: 333 } });
    expect(await ask('c', elastic)).toMatchObject({ granted: { grantedBytes: 333 } });
    expect(await ask('d', elastic)).toMatchObject({ granted: { grantedBytes: 334 } });
    expect(await held()).toBe(1000);
  });

  it('may be overtaken by what fits until the bound, and not after it', async () => {
    await take('a', needOf({ target: 600 }));
    const large = needOf({ target: 700 });
    expect(await ask('large', large)).toMatchObject(fullFor('ROOM'));
    await at(299);
    await ask('large', large);
    const small = await take('small', needOf({ target: 100 }));
    await at(300);
    expect(await ask('small2', needOf({ target: 100 }))).toMatchObject(fullFor('QUEUE'));
    await give(small);
    expect(await ask('small2', needOf({ target: 100 }))).toMatchObject(fullFor('QUEUE'));
  });

  it('comes before whoever has a higher rank, however long that has waited; of one rank in the order they came', async () => {
    const large = needOf({ target: 700 });
    const first = await take('a', needOf({ target: 600 }));
    const line = { rank: 7 };
    for (const job of ['line', 'line2']) await ask(job, large, line);
    await at(299);
    for (const job of ['line', 'line2']) await ask(job, large, line);
    await at(400);
    // Both lines have waited beyond the bound: what is free is kept for the first of them, and from their own rank only.
    expect(await ask('line3', needOf({ target: 100 }), line)).toMatchObject(fullFor('QUEUE'));
    const chat = await take('chat', needOf({ target: 100 }));
    await give(chat);
    expect(await ask('chat2', large)).toMatchObject({ full: { reason: 'ROOM', position: 1 } });
    const waiting = (await device.leases.list('gpu'))?.waiting.map(({ jobId }) => jobId);
    expect(waiting).toEqual(['chat2', 'line', 'line2', 'line3']);
    await at(700);
    await ask('chat2', large);
    await device.leases.renew(first);
    await give(first);
    // Now the chat has waited beyond the bound, and the lines leave its room alone.
    expect(await ask('line', large, line)).toMatchObject(fullFor('QUEUE'));
    expect(await ask('chat2', large)).toMatchObject({ outcome: 'granted' });
  });

  it('lets others use what it does not need, also after the bound', async () => {
    await take('a', needOf({ target: 600 }));
    await ask('large', needOf({ target: 700 }));
    await at(400);
    await device.leases.resize({ ...(await take('a', needOf({ target: 600 }))) }, 100);
    expect(await ask('small', needOf({ target: 200, min: 150 }))).toMatchObject({ granted: { grantedBytes: 200 } });
    expect(await ask('small2', needOf({ target: 1 }))).toMatchObject(fullFor('QUEUE'));
    expect(await ask('large', needOf({ target: 700 }))).toMatchObject({ outcome: 'granted' });
  });

  it('loses its place, and the room kept for it, when it stops asking', async () => {
    const first = await take('a', needOf({ target: 600 }));
    await ask('large', needOf({ target: 700 }));
    await at(599);
    await device.leases.renew(first);
    expect(await ask('small', needOf({ target: 100 }))).toMatchObject(fullFor('QUEUE'));
    await at(600);
    expect(await ask('small', needOf({ target: 100 }))).toMatchObject({ outcome: 'granted' });
    expect((await device.leases.list('gpu'))?.waiting).toEqual([]);
  });

  it('does not hold up others when the device became too small for it', async () => {
    await take('a', needOf({ target: 600 }));
    await ask('large', needOf({ target: 900 }));
    await at(350);
    await device.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 800 });
    expect(await ask('small', needOf({ target: 100 }))).toMatchObject({ outcome: 'granted' });
    expect(await ask('large', needOf({ target: 900 }))).toMatchObject({ outcome: 'impossible' });
    expect((await device.leases.list('gpu'))?.waiting).toEqual([]);
  });
});

describe('tenant shares', () => {
  const shares = { tenantShares: { '*': 0.5, large: 1 } };

  it('do not matter while nobody else waits', async () => {
    await open(shares);
    await take('a', needOf({ target: 400 }), { tenant: 'x' });
    await take('b', needOf({ target: 600 }), { tenant: 'x' });
    expect(await held()).toBe(1000);
  });

  it('stop a tenant at its share while another waits', async () => {
    await open(shares);
    const a = await take('a', needOf({ target: 400 }), { tenant: 'x' });
    await take('b', needOf({ target: 400 }), { tenant: 'x' });
    await ask('c', needOf({ target: 300 }), { tenant: 'y' });
    expect(await ask('d', needOf({ target: 150 }), { tenant: 'x' })).toMatchObject(fullFor('TENANT_SHARE'));
    await give(a);
    expect(await ask('d', needOf({ target: 150, min: 100 }), { tenant: 'x' })).toMatchObject({
      granted: { grantedBytes: 100 },
    });
    expect(await ask('c', needOf({ target: 300 }), { tenant: 'y' })).toMatchObject({ outcome: 'granted' });
  });

  it('let a tenant that holds nothing run one job larger than its share, at its least', async () => {
    await open(shares);
    const all = await take('a', needOf({ target: 1000 }), { tenant: 'large' });
    await ask('b', needOf({ target: 200 }), { tenant: 'y' });
    await ask('c', needOf({ target: 900, min: 700 }), { tenant: 'x' });
    await give(all);
    expect(await ask('c', needOf({ target: 900, min: 700 }), { tenant: 'x' })).toMatchObject({
      granted: { grantedBytes: 700 },
    });
  });

  it('hold nobody back when all who wait are at their share', async () => {
    await open({ tenantShares: { '*': 0.2 } });
    await take('a', needOf({ target: 200 }), { tenant: 'x' });
    await take('b', needOf({ target: 200 }), { tenant: 'y' });
    const third = await take('c', needOf({ target: 600 }), { tenant: 'z' });
    await ask('d', needOf({ target: 100 }), { tenant: 'y' });
    await give(third);
    expect(await ask('e', needOf({ target: 100 }), { tenant: 'x' })).toMatchObject({ outcome: 'granted' });
  });

  it('keep a tenant from passing its own large job with small ones, but not others', async () => {
    await open(shares);
    await take('a', needOf({ target: 300 }), { tenant: 'x' });
    await take('o', needOf({ target: 600 }), { tenant: 'y' });
    await ask('b', needOf({ target: 450 }), { tenant: 'x' });
    await at(300);
    await ask('b', needOf({ target: 450 }), { tenant: 'x' });
    await ask('p', needOf({ target: 200 }), { tenant: 'z' });
    expect(await ask('c', needOf({ target: 50 }), { tenant: 'x' })).toMatchObject(fullFor('TENANT_SHARE'));
    expect(await ask('q', needOf({ target: 50 }), { tenant: 'z' })).toMatchObject({ outcome: 'granted' });
  });
});
