import { readFileSync, statSync } from 'node:fs';
import type { z } from 'zod';
import { type Environment, type ProblemTexts, readText } from './config.ts';
import type { Logger } from './logger.ts';

/**
 * Check of a text. @returns reason why a program cannot use it, without quoting it; undefined if it
 * can
 */
type SecretCheck = (text: string) => string | undefined;

const codeOf = (error: unknown): string => String(Reflect.get(Object(error), 'code'));

/**
 * Returns a text that changes with the file. A mounted Secret is replaced through a link to another
 * folder, which is followed.
 */
const stampOf = (path: string): string => {
  try {
    const { dev, ino, mtimeNs, size } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${mtimeNs}:${size}`;
  } catch (error) {
    return codeOf(error);
  }
};

/**
 * Credential in a file, e.g. a key of a mounted Secret. Each use checks whether the file has
 * changed, and reads it again if so: a rotated credential needs no restart. A file that is missing
 * or unusable changes nothing.
 */
export class SecretFile {
  readonly setting: string;
  readonly path: string;
  readonly #checks: SecretCheck[] = [];
  #text: string;
  /** Stamp of the file whose text is in use. Empty, so that the first use reads it again. */
  #stamp: string = '';
  /** Stamp of the file whose problem was logged last. */
  #logged: string = '';
  #logger: Logger | undefined;

  /** @param text validated content of the file */
  constructor(setting: string, path: string, text: string) {
    this.setting = setting;
    this.path = path;
    this.#text = text;
  }

  /** Adds a check for the text of later files. */
  addCheck(check: SecretCheck): void {
    this.#checks.push(check);
  }

  logTo(logger: Logger): void {
    this.#logger = logger;
  }

  read(): string {
    const stamp = stampOf(this.path);
    if (stamp === this.#stamp) return this.#text;
    const found = this.#readFile();
    if ('problem' in found) {
      if (stamp === this.#logged) return this.#text;
      this.#logged = stamp;
      const reason = found.problem;
      this.#logger?.warn({ setting: this.setting, path: this.path, reason }, 'credential is not usable; the one before stays in use');
      return this.#text;
    }
    this.#stamp = stamp;
    if (found.text !== this.#text) {
      this.#text = found.text;
      this.#logger?.info({ setting: this.setting, path: this.path }, 'credential read again');
    }
    return this.#text;
  }

  #readFile(): { readonly text: string } | { readonly problem: string } {
    try {
      const text = readFileSync(this.path, 'utf8').trim();
      if (text === '') return { problem: 'is empty' };
      const problem = this.#checks.map((check) => check(text)).find((reason) => reason !== undefined);
      return problem === undefined ? { text } : { problem };
    } catch (error) {
      return { problem: `cannot be read (${codeOf(error)})` };
    }
  }
}

/** Credential: from a variable, which does not change, or from a file, which is followed. */
export type Secret = string | SecretFile;

/** Returns the current text of a credential; to be called for each use. */
export const secretText = (secret: Secret): string => (typeof secret === 'string' ? secret : secret.read());

/**
 * Secrets of a program's environment, each from its variable or from the file that
 * `<variable>_FILE` names, so that it is not in the environment of the process.
 */
export class Secrets {
  /** Secrets from files. */
  readonly files: readonly SecretFile[];
  readonly #env: Environment;

  private constructor(env: Environment, files: readonly SecretFile[]) {
    this.#env = env;
    this.files = files;
  }

  /** @param schema schema of the environment, which also validates later contents of the files */
  static async read(env: Environment, schema: z.ZodObject, names: readonly string[], problems: ProblemTexts): Promise<Secrets> {
    const files: SecretFile[] = [];
    for (const name of names) {
      const path = env[`${name}_FILE`];
      if (!path) continue;
      if (env[name]) problems.push(`${name}, ${name}_FILE: only one of them may be set`);
      const text = await readText(`${name}_FILE`, path, problems);
      if (text === undefined) continue;
      const file = new SecretFile(name, path, text.trim());
      file.addCheck((next) => (schema.shape[name] as z.ZodType | undefined)?.safeParse(next).error?.issues[0]?.message);
      files.push(file);
    }
    return new Secrets(env, files);
  }

  /** Environment with the contents of the files as values. */
  get environment(): Environment {
    return { ...this.#env, ...Object.fromEntries(this.files.map((file) => [file.setting, file.read()])) };
  }

  get(name: string): Secret | undefined {
    return this.files.find(({ setting }) => setting === name) ?? (this.#env[name] || undefined);
  }
}
