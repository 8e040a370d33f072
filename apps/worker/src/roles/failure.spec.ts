import { MadakvError } from '@madakv/contracts';
import { StorageError } from '@madakv/storage';
import { describe, expect, it } from 'vitest';
import { asMadakvError, FinalError } from './failure.js';

describe('asMadakvError', () => {
  it('keeps what a caller can be told', () => {
    const error = new MadakvError('invalid_document', 'no PDF', { param: 'messages.0', reason: 'bad_pdf' });
    expect(asMadakvError(error)).toBe(error);
    expect(asMadakvError(new FinalError(error))).toBe(error);
  });

  it('knows what may pass', () => {
    expect(asMadakvError(new StorageError('storage_failed', 'disk full'))).toMatchObject({
      code: 'storage_unavailable',
      retryable: true,
    });
    expect(asMadakvError(new Error('Connection is closed.'))).toMatchObject({ code: 'storage_unavailable' });
    expect(asMadakvError(new Error('connect ECONNREFUSED 127.0.0.1:6379'))).toMatchObject({
      code: 'storage_unavailable',
    });
  });

  it('says nothing of a defect but that it is one', () => {
    const defect = new TypeError('cannot read "Invoice 4711" of undefined');
    const told = asMadakvError(defect);
    expect(told).toMatchObject({ code: 'internal_error', cause: defect });
    expect(told.message).not.toContain('4711');
    expect(asMadakvError(new StorageError('not_found', 'gone'))).toMatchObject({ code: 'internal_error' });
  });
});
