import { MadakvError } from '@madakv/contracts';
import { DocumentError } from '@madakv/documents';
import { StorageError } from '@madakv/storage';
import { BadRequestException } from '@nestjs/common';
import { expect, it } from 'vitest';
import { toMadakvError } from './error.mapping.js';

it.each([
  [new MadakvError('conflict', 'no'), { code: 'conflict', message: 'no' }],
  [new StorageError('not_found', 'files/x'), { code: 'not_found' }],
  [new StorageError('storage_failed', 'disk full'), { code: 'storage_unavailable' }],
  [new StorageError('bad_key', '../x'), { code: 'internal_error' }],
  [new DocumentError('encrypted_pdf', 'locked'), { code: 'invalid_document', reason: 'encrypted_pdf' }],
  [new DocumentError('url_timeout', 'slow'), { code: 'document_unavailable', reason: 'url_timeout' }],
  [new BadRequestException('bad'), { code: 'invalid_request', message: 'bad' }],
  [new Error('Connection is closed.'), { code: 'storage_unavailable' }],
  [new Error('LOADING Redis is loading the dataset in memory'), { code: 'storage_unavailable' }],
  [new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'storage_unavailable' }],
])('%s', (error, expected) => {
  expect(toMadakvError(error)).toMatchObject(expected);
});

it.each([new TypeError('secret text of a document'), 'secret', null])('tells nothing of a defect: %s', (defect) => {
  const error = toMadakvError(defect);
  expect(error).toMatchObject({ code: 'internal_error', httpStatus: 500, cause: defect });
  expect(error.message).not.toContain('secret');
});
