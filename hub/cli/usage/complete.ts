import type { Argument, Command, Option } from 'commander';

/** First argument by which a shell requests completions. */
export const COMPLETE = '__complete';

interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** Completions at the cursor. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Whether a path is possible too. */
  readonly takesPath: boolean;
}

const NOTHING: Completion = { candidates: [], takesPath: false };

/** Position of the cursor after the preceding words. */
interface Position {
  readonly command: Command;
  /** Option whose value comes next. */
  readonly option?: Option | undefined;
  /** Number of arguments before the cursor. */
  readonly arguments: number;
}

const optionsOf = (command: Command): readonly Option[] => {
  const help = command.createHelp();
  return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
};

const step = (position: Position, word: string): Position => {
  const { command } = position;
  // bash treats the sign in `--output=json` as its own word.
  if (position.option !== undefined) return word === '=' ? position : { ...position, option: undefined };
  if (word.startsWith('-')) {
    const option = optionsOf(command).find(({ short, long }) => short === word || long === word);
    return { ...position, option: option?.required === true ? option : undefined };
  }
  const subcommand = command.commands.find((candidate) => candidate.name() === word);
  if (subcommand !== undefined) return { command: subcommand, arguments: 0 };
  return { ...position, arguments: position.arguments + 1 };
};

const PATHS = /<(?:file|dir)>/;

const valuesOf = ({ argChoices = [] }: Option | Argument, placeholder: string): Completion => ({
  candidates: argChoices.map((value) => ({ value, description: '' })),
  takesPath: PATHS.test(placeholder),
});

const subcommandsOf = (command: Command): readonly Candidate[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((child) => ({ value: child.name(), description: child.description() }));

const candidatesAt = ({ command, option, arguments: count }: Position, current: string): Completion => {
  if (option !== undefined) return valuesOf(option, option.flags);
  if (current.startsWith('-')) {
    const options = optionsOf(command).flatMap(({ long, description }) => (long === undefined ? [] : [{ value: long, description }]));
    return { candidates: options, takesPath: false };
  }
  const argument = command.registeredArguments[count];
  if (argument !== undefined) return valuesOf(argument, `<${argument.name()}>`);
  return { ...NOTHING, candidates: subcommandsOf(command) };
};

/**
 * Completes the word at the cursor.
 *
 * @param words words after the program name up to the cursor. The last one is being typed and may
 * be empty
 */
export const complete = (program: Command, words: readonly string[]): Completion => {
  const current = words.at(-1) ?? '';
  const position = words.slice(0, -1).reduce(step, { command: program, arguments: 0 });
  const { candidates, takesPath } = candidatesAt(position, current);
  return { candidates: candidates.filter(({ value }) => value.startsWith(current)), takesPath };
};

/**
 * Formats completions like programs made with Cobra, as kubectl expects of plugins: lines with
 * value and description, then a directive
 * (https://github.com/spf13/cobra/blob/main/site/content/completions/_index.md).
 */
export const formatCompletion = ({ candidates, takesPath }: Completion): string =>
  [...candidates.map(({ value, description }) => `${value}\t${description}`), takesPath ? ':0' : ':4', ''].join('\n');
