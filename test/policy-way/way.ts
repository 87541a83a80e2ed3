import { Hash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { type Call, callsOf } from '../harness/source-tree.ts';
import type { RanFunction, RanFunctions } from './covered-program.ts';
import type { ProgramRun } from './measure.ts';

/** A call by name of a function of another folder. */
interface HandOver {
  readonly from: string;
  readonly to: string;
  readonly name: string;
}

/** A file with functions that ran for the commit alone. */
export interface WayFile {
  readonly file: string;
  readonly functions: readonly RanFunction[];
}

/** Functions that a program ran for the commit and not at rest. */
export interface Way {
  readonly program: ProgramRun['program'];
  /** Sorted by path, those of the package of the program first. */
  readonly files: readonly WayFile[];
  readonly handOvers: readonly HandOver[];
}

const BUILT_IN_TYPES: readonly { readonly prototype: object }[] = [
  ...[Array, Map, Set, WeakMap, Promise, String, Number, Object, Function, Date, RegExp],
  ...[Buffer, URL, Headers, AbortSignal, TextDecoder, EventEmitter, Hash],
];

/** Names that built-in objects have too: a call of one says nothing about who is called. */
const BUILT_IN: ReadonlySet<string> = new Set([
  'next',
  ...BUILT_IN_TYPES.flatMap((type) => [type, type.prototype]).flatMap(Object.getOwnPropertyNames),
]);

/** @returns the package and its folder or file: `hub/ledger`, `hub/recorders.ts` */
export const roomOf = (file: string): string => file.split('/').slice(0, 2).join('/');

const keyOf = ({ ranges: [whole] }: RanFunction): string => `${whole?.startOffset}-${whole?.endOffset}`;
const hasRun = ({ ranges: [whole] }: RanFunction): boolean => (whole?.count ?? 0) > 0;
/** The text of a module, which runs once when it is loaded. */
const isModule = ({ functionName, ranges: [whole] }: RanFunction): boolean => functionName === '' && whole?.startOffset === 0;

const ranOf = (functions: readonly RanFunction[]): readonly RanFunction[] => functions.filter((one) => hasRun(one) && !isModule(one));

/** @returns the functions of a file that ran for the commit and not at rest, each once */
const beyondRest = (withCommit: readonly RanFunction[], atRest: readonly RanFunction[]): readonly RanFunction[] => {
  const before = new Set(ranOf(atRest).map(keyOf));
  const added = ranOf(withCommit).filter((one) => !before.has(keyOf(one)));
  return [...new Map(added.map((one) => [keyOf(one), one])).values()];
};

const ownPackageFirst =
  (program: string) =>
  (a: WayFile, b: WayFile): number => {
    const [first, second] = [a, b].map(({ file }) => (file.startsWith(`${program}/`) ? 0 : 1));
    return (first ?? 0) - (second ?? 0) || a.file.localeCompare(b.file);
  };

/** Whether the innermost range around a call ran, and its function did so for the commit alone. */
const isOnWay = ({ offset }: Call, all: readonly RanFunction[], way: ReadonlySet<string>): boolean => {
  const around = all
    .flatMap((one) => one.ranges.map((range) => ({ one, range })))
    .filter(({ range }) => range.startOffset <= offset && offset < range.endOffset)
    .toSorted((a, b) => a.range.endOffset - a.range.startOffset - (b.range.endOffset - b.range.startOffset));
  const [innermost] = around;
  return innermost !== undefined && innermost.range.count > 0 && way.has(keyOf(innermost.one));
};

const roomsByName = (ran: RanFunctions): ReadonlyMap<string, ReadonlySet<string>> => {
  const named = [...ran].flatMap(([file, functions]) => ranOf(functions).map(({ functionName }) => ({ functionName, room: roomOf(file) })));
  const byName = Map.groupBy(named, ({ functionName }) => functionName);
  return new Map([...byName].map(([name, all]) => [name, new Set(all.map(({ room }) => room))]));
};

/** @returns each call once whose name ran in one other folder alone, so that it is clear who ran */
const handOversOf = (root: string, files: readonly WayFile[], ran: RanFunctions): readonly HandOver[] => {
  const rooms = roomsByName(ran);
  const found = files.flatMap(({ file, functions }) => {
    const [way, all] = [new Set(functions.map(keyOf)), ran.get(file) ?? []];
    return callsOf(root, file)
      .filter(({ name }) => !BUILT_IN.has(name))
      .flatMap((call): readonly HandOver[] => {
        const [to, ...others] = rooms.get(call.name) ?? [];
        const from = roomOf(file);
        if (to === undefined || others.length > 0 || to === from || !isOnWay(call, all, way)) return [];
        return [{ from, to, name: call.name }];
      });
  });
  return [...new Map(found.map((one) => [`${one.from} ${one.name}`, one])).values()];
};

export const wayOf = (root: string, { program, atRest, withCommit }: ProgramRun): Way => {
  const files = [...withCommit]
    .map(([file, functions]) => ({ file, functions: beyondRest(functions, atRest.get(file) ?? []) }))
    .filter(({ functions }) => functions.length > 0)
    .toSorted(ownPackageFirst(program));
  return { program, files, handOvers: handOversOf(root, files, withCommit) };
};
