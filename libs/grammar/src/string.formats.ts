const [MONTH_31, MONTH_30] = ['(?:0[13578]|1[02])', '(?:0[469]|11)'];
const LEAP_YEAR = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const ORDINARY_DAY = `(?:${MONTH_31}-(?:0[1-9]|[12]\\d|3[01])|${MONTH_30}-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))`;
const DATE = `(?:\\d{4}-${ORDINARY_DAY}|${LEAP_YEAR}-02-29)`;
const HOUR = '(?:[01]\\d|2[0-3])';
const TIME = `${HOUR}:[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-]${HOUR}:[0-5]\\d)`;
const LABEL = '[a-z0-9]+(?:-[a-z0-9]+)*';
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';

/** What `format` may say (JSON Schema 2020-12, validation, section 7.3), as patterns for a whole string. */
export const STRING_FORMATS = {
  date: DATE,
  time: TIME,
  'date-time': `${DATE}T${TIME}`,
  email: `[A-Za-z0-9_+-]+(?:\\.[A-Za-z0-9_+-]+)*@(?:${LABEL}\\.)+[a-z]{2,6}`,
  ipv4: `${OCTET}(?:\\.${OCTET}){3}`,
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
} as const satisfies Readonly<Record<string, string>>;
