import { readdirSync, readFileSync } from 'node:fs';

export const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

/** Command lines of the processes that name a folder in their arguments, without this process. */
export const processesOf = (folder: string): string[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))
    .map(commandLine)
    .filter((text) => text.includes(folder));
