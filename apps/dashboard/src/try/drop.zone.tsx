import { useState } from 'react';
import { formatBytes } from '../numbers.js';
import { ACCEPTED } from './upload.js';

interface DropZoneProps {
  readonly file: File | undefined;
  readonly onFile: (file: File | undefined) => void;
}

/** Takes a document that is dropped, or chosen. */
export function DropZone({ file, onFile }: DropZoneProps) {
  const [over, setOver] = useState(false);
  return (
    <div
      className={over ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => {
        setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        onFile(event.dataTransfer.files.item(0) ?? undefined);
      }}
    >
      <label htmlFor="document">Document: drop a PDF or an image here, or choose one</label>
      <input
        id="document"
        type="file"
        accept={ACCEPTED}
        onChange={({ target }) => {
          onFile(target.files?.item(0) ?? undefined);
        }}
      />
      <p role="status">
        {file === undefined
          ? 'Nothing chosen yet. Without a document the question stands alone.'
          : `${file.name}, ${formatBytes(file.size)}`}
      </p>
      <small>It is stored on this host, and deleted by itself after a day.</small>
    </div>
  );
}
