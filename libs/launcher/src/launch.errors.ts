/** Something that has to be installed, built or fetched before a system can run. The message says how. */
export class NotInstalledError extends Error {
  override readonly name: string = 'NotInstalledError';
}

/** The model that comes with the project is not in its folder. */
export class BundledModelMissingError extends NotInstalledError {
  override readonly name = 'BundledModelMissingError';

  constructor(folder: string) {
    super(`the bundled model is not there (${folder}); get it with git`);
  }
}

/** A living process holds the data folder. */
export class DataFolderInUseError extends Error {
  override readonly name = 'DataFolderInUseError';

  /**
   * @param pid of the holder
   * @param url where its gateway answers; null while it is starting
   */
  constructor(path: string, pid: number, url: string | null) {
    const where = url === null ? 'is starting' : `answers at ${url}`;
    super(`a system runs on ${path} already (process ${pid}, ${where})`);
  }
}

/** The gateway's address cannot be listened on. */
export class AddressError extends Error {
  override readonly name: string = 'AddressError';
}

/** Somebody listens on the gateway's port already. */
export class PortTakenError extends AddressError {
  override readonly name = 'PortTakenError';

  constructor(port: number, options?: ErrorOptions) {
    super(`port ${port} is taken`, options);
  }
}

/** A process ended that has to run: before it was ready, or more often than it is started again. */
export class ProcessEndedError extends Error {
  override readonly name = 'ProcessEndedError';
}
