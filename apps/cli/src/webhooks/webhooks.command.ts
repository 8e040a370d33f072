import { WebhookEventTypeSchema, type Webhook, type WebhookDelivery, type WebhookEventType } from '@madakv/contracts';
import { formatCount, formatTime, parseDuration } from '@madakv/insight';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { addServerOptions, findServer, type ServerFlags } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { wholeNumber } from '../flag.values.js';
import { textTable } from '../terminal/text.table.js';

interface JsonFlags extends ServerFlags {
  readonly json?: true;
}

export function registerWebhooks(program: Command, io: CommandIo): void {
  const webhooks = program
    .command('webhooks')
    .description('Let the server call a URL when a batch ends.')
    .addHelpText(
      'after',
      `
Examples:
  madakv webhooks add https://hooks.example/madakv --event batch.completed --event batch.failed
  madakv webhooks deliveries wh_0123`,
    );
  registerList(webhooks, io);
  registerAdd(webhooks, io);
  registerRemove(webhooks, io);
  registerEnable(webhooks, io);
  registerRotate(webhooks, io);
  registerDeliveries(webhooks, io);
  registerRepeat(webhooks, io);
}

function registerList(webhooks: Command, io: CommandIo): void {
  withJson(webhooks.command('list'))
    .description('List webhooks, and whether they are called.')
    .addHelpText('after', '\nExamples:\n  madakv webhooks list')
    .action(async (flags: JsonFlags) => {
      const found = await findServer(flags, io).client.webhooks();
      if (flags.json === true) for (const each of found) io.stdout.write(`${JSON.stringify(each)}\n`);
      else io.stdout.write(webhookTable(found));
    });
}

function registerAdd(webhooks: Command, io: CommandIo): void {
  const event = new Option('--event <type>', 'an event to send, again for more (default: all)')
    .choices(WebhookEventTypeSchema.options)
    .argParser(oneMore);
  withJson(webhooks.command('add'))
    .description('Add a webhook. Its secret is shown once: the receiver verifies with it that a call is the server’s.')
    .argument('<url>')
    .addOption(event)
    .option('--description <text>', 'for people')
    .addHelpText('after', '\nExamples:\n  madakv webhooks add https://hooks.example/madakv --event batch.completed')
    .action(async (url: string, flags: JsonFlags & { event?: readonly WebhookEventType[]; description?: string }) => {
      const made = await findServer(flags, io).client.createWebhook(url, flags.event, flags.description);
      io.stdout.write(flags.json === true ? `${JSON.stringify(made)}\n` : `${made.id}\n${made.secret}\n`);
    });
}

function registerRemove(webhooks: Command, io: CommandIo): void {
  addServerOptions(webhooks.command('rm'))
    .description('Delete webhooks.')
    .argument('<ids...>')
    .addHelpText('after', '\nExamples:\n  madakv webhooks rm wh_0123')
    .action(async (ids: string[], flags: ServerFlags) => {
      const { client } = findServer(flags, io);
      for (const id of ids) {
        await client.deleteWebhook(id);
        io.stdout.write(`${id} deleted\n`);
      }
    });
}

function registerEnable(webhooks: Command, io: CommandIo): void {
  withJson(webhooks.command('enable'))
    .description('Call a webhook again that failures have disabled.')
    .argument('<id>')
    .addHelpText('after', '\nExamples:\n  madakv webhooks enable wh_0123')
    .action(async (id: string, flags: JsonFlags) => {
      const found = await findServer(flags, io).client.enableWebhook(id);
      io.stdout.write(flags.json === true ? `${JSON.stringify(found)}\n` : webhookTable([found]));
    });
}

function registerRotate(webhooks: Command, io: CommandIo): void {
  withJson(webhooks.command('rotate'))
    .description('Give a webhook a new secret, which is shown once. The one before signs beside it for a while.')
    .argument('<id>')
    .option('--keep <time>', 'how long the secret before signs as well, like 90s, 12h or 7d (default: a day)', seconds)
    .addHelpText('after', '\nExamples:\n  madakv webhooks rotate wh_0123 --keep 2d')
    .action(async (id: string, flags: JsonFlags & { keep?: number }) => {
      const made = await findServer(flags, io).client.rotateWebhook(id, flags.keep);
      io.stdout.write(flags.json === true ? `${JSON.stringify(made)}\n` : `${made.secret}\n`);
    });
}

function registerDeliveries(webhooks: Command, io: CommandIo): void {
  withJson(webhooks.command('deliveries'))
    .description('List what was sent to a webhook, the newest first, and how it answered.')
    .argument('<id>')
    .option('--limit <number>', 'at most so many', wholeNumber(1), 20)
    .addHelpText('after', '\nExamples:\n  madakv webhooks deliveries wh_0123')
    .action(async (id: string, flags: JsonFlags & { readonly limit: number }) => {
      const found: WebhookDelivery[] = [];
      for await (const each of findServer(flags, io).client.webhookDeliveries(id, Math.min(flags.limit, 100))) {
        if (found.push(each) === flags.limit) break;
      }
      if (flags.json === true) for (const each of found) io.stdout.write(`${JSON.stringify(each)}\n`);
      else io.stdout.write(deliveryTable(found));
    });
}

function registerRepeat(webhooks: Command, io: CommandIo): void {
  withJson(webhooks.command('repeat'))
    .description('Send an event once more, at once.')
    .argument('<id>', 'a webhook')
    .argument('<delivery>', 'one of its deliveries')
    .addHelpText('after', '\nExamples:\n  madakv webhooks repeat wh_0123 whd_4567')
    .action(async (id: string, delivery: string, flags: JsonFlags) => {
      const made = await findServer(flags, io).client.repeatDelivery(id, delivery);
      io.stdout.write(flags.json === true ? `${JSON.stringify(made)}\n` : deliveryTable([made]));
    });
}

function withJson(command: Command): Command {
  return addServerOptions(command).option('--json', 'print objects, one a line');
}

function webhookTable(webhooks: readonly Webhook[]): string {
  const rows = webhooks.map(({ id, status, failing_since, disabled_reason, events, url }) => [
    id,
    status === 'enabled' && failing_since !== null ? `failing since ${formatTime(failing_since)}` : status,
    events.map((type) => type.replace('batch.', '')).join(','),
    disabled_reason === null ? url : `${url} (${disabled_reason})`,
  ]);
  return textTable(['webhook', 'status', 'events', 'url'], rows);
}

function deliveryTable(deliveries: readonly WebhookDelivery[]): string {
  const rows = deliveries.map(({ id, event, status, attempt_count, next_attempt_at, attempts }) => {
    const last = attempts.at(-1);
    const next = next_attempt_at === null ? '' : `next attempt ${formatTime(next_attempt_at)}`;
    const said = last === undefined ? '' : (last.error ?? `answered with status ${last.status_code ?? ''}`);
    return [id, event.type, event.data.id, status, formatCount(attempt_count), [said, next].filter(Boolean).join('; ')];
  });
  return textTable(['delivery', 'event', 'batch', 'status', 'attempts', 'last'], rows);
}

function oneMore(value: string, before: readonly WebhookEventType[] = []): WebhookEventType[] {
  const parsed = WebhookEventTypeSchema.safeParse(value);
  if (parsed.success) return [...before, parsed.data];
  throw new InvalidArgumentError(`It must be one of ${WebhookEventTypeSchema.options.join(', ')}.`);
}

function seconds(text: string): number {
  const parsed = parseDuration(text);
  if (parsed === undefined) throw new InvalidArgumentError('It must be a time such as 90s, 30m, 12h or 7d.');
  return parsed;
}
