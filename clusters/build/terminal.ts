import type { ProgressSink } from './progress.ts';

const ERASE = '\r\u001b[K';

export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Lines of a program's output, each formatted by `format`; on a terminal the last one may be rewritten. */
export function createTerminal(stream: TerminalStream, format: (line: string) => string): ProgressSink {
  if (!stream.isTTY) return { log: (line) => void stream.write(`${format(line)}\n`) };
  let shown = '';
  // A line that wraps could not be erased.
  const fitted = (line: string): string => format(line).slice(0, (stream.columns ?? 80) - 1);
  return {
    log: (line) => void stream.write(`${shown && ERASE}${format(line)}\n${shown}`),
    status: (line) => {
      stream.write(`${shown && ERASE}${line && fitted(line)}`);
      shown = line && fitted(line);
    },
  };
}
