import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Kind of a part of a process's memory: its program's own file, libraries, other files, malloc's
 * heap, or the rest (V8, threads, WebAssembly).
 */
export type MappingKind = 'program' | 'libraries' | 'files' | 'malloc' | 'anonymous';

/** Bytes. */
export interface Amount {
  /**
   * Proportional set size. Of a page that n processes share, 1/n counts, so that the sum over all
   * processes is their total.
   */
  readonly pss: number;
  /** Resident set size. A shared page counts in full, as if the process ran alone. */
  readonly rss: number;
}

export interface ProcessMemory extends Amount {
  readonly pid: number;
  readonly command: string;
  /** Memory by kind of mapping. */
  readonly mappings: Readonly<Partial<Record<MappingKind, Amount>>>;
}

const MAPPING = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$/;
const FIELD = /^(Pss|Rss): +(\d+) kB$/;
const KIB = 1024;

const kindOf = (path: string, program: string): MappingKind => {
  if (path === program) return 'program';
  if (path === '[heap]') return 'malloc';
  if (!path.startsWith('/')) return 'anonymous';
  return /\.so(\.|$)/.test(path) ? 'libraries' : 'files';
};

const add = (sum: Amount | undefined, field: string, bytes: number): Amount => {
  const { pss, rss } = sum ?? { pss: 0, rss: 0 };
  return field === 'Pss' ? { pss: pss + bytes, rss } : { pss, rss: rss + bytes };
};

/** @see https://www.kernel.org/doc/html/latest/filesystems/proc.html (smaps) */
const readProcess = (pid: number): ProcessMemory => {
  const program = readlinkSync(`/proc/${pid}/exe`);
  const mappings: Partial<Record<MappingKind, Amount>> = {};
  let total: Amount = { pss: 0, rss: 0 };
  let kind: MappingKind = 'anonymous';
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const path = MAPPING.exec(line)?.[1];
    if (path !== undefined) kind = kindOf(path, program);
    const [, field, kibibytes] = FIELD.exec(line) ?? [];
    if (field === undefined) continue;
    mappings[kind] = add(mappings[kind], field, Number(kibibytes) * KIB);
    total = add(total, field, Number(kibibytes) * KIB);
  }
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean).join(' ');
  return { pid, command, ...total, mappings };
};

const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );

/**
 * Reads the memory of a process and of its descendants, itself first; Linux only.
 *
 * @throws Error ENOENT if one of them ends meanwhile
 */
export const memoryOf = (pid: number): readonly ProcessMemory[] => [readProcess(pid), ...childrenOf(pid).flatMap(memoryOf)];

/**
 * Reads the CPU time of a process in milliseconds: user and system time of `/proc/<pid>/stat`,
 * fields 14 and 15, in hundredths of a second (proc(5)).
 */
export const cpuMsOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};
