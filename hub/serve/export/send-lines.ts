import type { Response } from 'express';

/** Resolves when more can be written, or the reader is gone. */
const drained = (res: Response): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      res.off('drain', done);
      res.off('close', done);
      resolve();
    };
    res.once('drain', done);
    res.once('close', done);
  });

interface LineFile {
  readonly name: string;
  readonly contentType: string;
  /** Text before the lines. */
  readonly head: string;
}

/** Sends a file as its lines come, as fast as its reader takes them. */
export const sendLines = async (
  res: Response,
  { name, contentType, head }: LineFile,
  lines: AsyncIterable<string> | Iterable<string>,
): Promise<void> => {
  // Its own idea of the type, by the name of the file, comes first.
  res.attachment(name).type(contentType);
  // Before the first line is found, which may take long.
  res.flushHeaders();
  res.write(head);
  for await (const line of lines) {
    if (!res.write(line)) await drained(res);
    if (res.destroyed) return;
  }
  if (!res.destroyed) res.end();
};
