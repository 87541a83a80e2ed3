import type { Response } from 'express';

/** Resolves when more can be written, or the reader has left. */
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

/** Sends a file line by line, as fast as its reader accepts it. */
export const sendLines = async (
  res: Response,
  { name, contentType, head }: LineFile,
  lines: AsyncIterable<string> | Iterable<string>,
): Promise<void> => {
  // `attachment` sets a type by the file name; `type` overrides it.
  res.attachment(name).type(contentType);
  // Sent before the first line, which may take long to compute.
  res.flushHeaders();
  res.write(head);
  for await (const line of lines) {
    // A destroyed response emits no `drain`.
    if (!res.write(line) && !res.destroyed) await drained(res);
    if (res.destroyed) return;
  }
  if (!res.destroyed) res.end();
};

/** Most items of one kind that a report lists. It only counts the others. */
export const MAX_REPORT_ITEMS = 10_000;

/** Report as of a moment, with a list that may be long. */
type ListReport<L extends string> = { readonly generatedAt: string } & { readonly [K in L]: readonly unknown[] };

interface ReportFile<L extends string, R> {
  /** Name of the list in the report and in the file name. */
  readonly list: L;
  readonly format: 'csv' | 'json';
  readonly csvLines: (report: R) => Iterable<string>;
}

/** Yields the items of a JSON list and its closing brackets. */
function* jsonItems(items: readonly unknown[]): Generator<string> {
  for (const [index, item] of items.entries()) yield `${index === 0 ? '' : ','}${JSON.stringify(item)}`;
  yield ']}';
}

/** Returns a file name such as `fso-risks-20260103T103000Z.csv`. */
export const fileNameOf = (list: string, generatedAt: string, format: string): string =>
  `fso-${list}-${generatedAt.replace(/\.\d+/, '').replaceAll(/[-:]/g, '')}.${format}`;

/** Sends a report as a file. In JSON its list comes last. */
export const sendReport = <L extends string, R extends ListReport<L>>(
  res: Response,
  report: R,
  { list, format, csvLines }: ReportFile<L, R>,
): Promise<void> => {
  const name = fileNameOf(list, report.generatedAt, format);
  if (format === 'csv') return sendLines(res, { name, contentType: 'text/csv', head: '' }, csvLines(report));
  const { [list]: items, ...rest } = report;
  const head = `${JSON.stringify(rest).slice(0, -1)},${JSON.stringify(list)}:[`;
  return sendLines(res, { name, contentType: 'application/json', head }, jsonItems(items));
};
