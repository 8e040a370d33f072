import { CommanderError } from 'commander';
import { HubError } from '@madakv/hub';
import { GrantTooSmallError, PolicyOptionError, UnknownPolicyError } from '@madakv/madakv';
import { ImageError, PromptError } from '@madakv/models';
import { InputFileError } from '@madakv/requests';
import { BrokenPipeError, EXIT, InterruptedError, UsageError } from './exit.codes.js';

const callersMistakes = [
  UsageError,
  InputFileError,
  PolicyOptionError,
  UnknownPolicyError,
  GrantTooSmallError,
  PromptError,
  ImageError,
];

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof InterruptedError) return error.exitCode;
  if (error instanceof BrokenPipeError) return EXIT.ok;
  if (error instanceof HubError && error.code === 'bad_reference') return EXIT.usage;
  return callersMistakes.some((kind) => error instanceof kind) ? EXIT.usage : EXIT.failure;
}

/** An error as one line for people, or as its whole stack. Empty for those that were reported already or need no words. */
export function errorText(error: unknown, verbose: boolean): string {
  if (error instanceof CommanderError || error instanceof BrokenPipeError) return '';
  if (verbose && error instanceof Error) return `madakv: ${stackOf(error)}\n`;
  const message = error instanceof Error && error.message !== '' ? error.message : String(error);
  return `madakv: ${oneLine(message)}\n`;
}

export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}
