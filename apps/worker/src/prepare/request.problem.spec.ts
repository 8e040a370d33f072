import { ERRORS, MadakvError } from '@madakv/contracts';
import { DOCUMENT_ERROR_CODES, DocumentError } from '@madakv/documents';
import { ImageError } from '@madakv/models';
import { StorageError } from '@madakv/storage';
import { describe, expect, it } from 'vitest';
import { asRequestProblem, placeOf, PREPARE_ERROR_CODES } from './request.problem.js';

const PART = 'messages.0.content.1.file';

describe('asRequestProblem', () => {
  it.each(DOCUMENT_ERROR_CODES)('%s is the caller’s, or may pass', (code) => {
    const problem = (retryable: boolean): unknown =>
      asRequestProblem(new DocumentError(code, 'why', { retryable }), PART);
    const common = { reason: code, param: PART, message: `${PART}: why` };
    expect(problem(false)).toMatchObject({ ...common, code: 'invalid_document', httpStatus: 400, retryable: false });
    expect(problem(true)).toMatchObject({ ...common, code: 'document_unavailable', httpStatus: 503, retryable: true });
  });

  it('knows what the libraries below throw, and nothing else', () => {
    expect(asRequestProblem(new ImageError('cut off'), PART)).toMatchObject({
      code: 'invalid_document',
      reason: 'bad_image',
      message: `${PART}: cut off`,
    });
    const cause = new StorageError('storage_failed', 'disk full at /secret/place');
    expect(asRequestProblem(cause, PART)).toMatchObject({ code: 'storage_unavailable', retryable: true, cause });
    expect((asRequestProblem(cause, PART) as Error).message).not.toContain('secret');
    for (const other of [new TypeError('x'), new MadakvError('not_found', 'x'), undefined]) {
      expect(asRequestProblem(other, PART)).toBe(other);
    }
  });
});

it('messages name the file, where it has a name', () => {
  expect(placeOf(PART)).toBe(PART);
  expect(placeOf(PART, 'report.pdf')).toBe(`${PART} (report.pdf)`);
  expect(placeOf(PART, ' \n')).toBe(PART);
  expect(placeOf(PART, `a\u202e\n${'b'.repeat(200)}`)).toBe(`${PART} (a${'b'.repeat(79)}…)`);
  const error = new DocumentError('broken_pdf', 'why');
  expect(asRequestProblem(error, PART, 'report.pdf')).toMatchObject({
    message: `${PART} (report.pdf): why`,
    param: PART,
  });
});

it('no code is listed twice, and all are codes', () => {
  expect(new Set(PREPARE_ERROR_CODES).size).toBe(PREPARE_ERROR_CODES.length);
  for (const code of PREPARE_ERROR_CODES) expect(ERRORS[code]).toBeDefined();
});
