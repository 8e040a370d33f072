/**
 * Lua, to stand before scripts: gives back what is reserved of a tenant's tokens, each reservation once. What holds between
 * scripts: the sums are those of the reservations, of all and of each day, and a reservation lapses unless it ends before.
 *
 *   release(reservations, sums, lapses, id, most)
 *     most     -1: the whole reservation, which is gone with it; else a part of it, which leaves the rest, 0 at the least
 */
export const RELEASE = `
local function add(sums, field, tokens)
  if redis.call('HINCRBY', sums, field, string.format('%.0f', tokens)) == 0 then redis.call('HDEL', sums, field) end
end
local function release(reservations, sums, lapses, id, most)
  local entry = redis.call('HGET', reservations, id)
  if not entry then return end
  local held, day = string.match(entry, '^(%d+) (%d+)$')
  local given = tonumber(held)
  if most < 0 then
    redis.call('HDEL', reservations, id)
    redis.call('ZREM', lapses, id)
  else
    given = math.min(given, most)
    redis.call('HSET', reservations, id, string.format('%.0f %s', tonumber(held) - given, day))
  end
  if given > 0 then
    add(sums, 'all', -given)
    add(sums, day, -given)
  end
end
`;
