import { newApiKey, TenantSchema } from '@madakv/contracts';
import { InvalidArgumentError, type Command } from 'commander';
import type { CommandIo } from '../command.io.js';

interface CreateFlags {
  readonly tenant: string;
  readonly name?: string;
  readonly operator?: boolean;
}

export function registerKey(program: Command, io: CommandIo): void {
  program
    .command('key')
    .description('Manage API keys.')
    .addHelpText('after', '\nExamples:\n  madakv key create --tenant acme')
    .command('create')
    .description('Make an API key. It is shown once; the gateway gets its hash.')
    .option('--tenant <name>', 'whose key it is', tenant, 'default')
    .option('--name <text>', 'for people: where it is used')
    .option('--operator', 'it sees the system as a whole: queues, devices, workers; no other tenant’s documents')
    .addHelpText(
      'after',
      `
The first line is the key, for its user. The second is its record for the file that MADAKV_API_KEYS_FILE names, a JSON array
of such.

Examples:
  madakv key create --tenant acme --name ci`,
    )
    .action(({ tenant: owner, name, operator = false }: CreateFlags) => {
      const { key, record } = newApiKey(owner, name, { operator });
      io.stdout.write(`${key}\n${JSON.stringify(record)}\n`);
    });
}

function tenant(text: string): string {
  if (TenantSchema.safeParse(text).success) return text;
  throw new InvalidArgumentError('It must be 1 to 64 letters, digits, or . _ -');
}
