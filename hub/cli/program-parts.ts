import { type Command, Option } from 'commander';
import { type Context, createContext, type GlobalOptions } from './context.ts';
import { readEnvironment } from './environment.ts';

/** What the descriptions of commands share. */

const FORMATS = ['table', 'wide', 'json', 'yaml'];

export const examples = (...lines: string[]): string => `\nExamples:\n${lines.map((line) => `  $ fso ${line}\n`).join('')}`;

export const outputOption = (): Option => new Option('-o, --output <format>', 'how to show it').choices(FORMATS).default('table');

export const contextOf = (command: Command): Context => createContext(command.optsWithGlobals<GlobalOptions>(), readEnvironment());
