import { readFile, stat } from 'node:fs/promises';
import { type Logger, messageOf } from '@fso/shared/runtime';
import { type AlertsConfig, NO_RECEIVERS, parseAlertsFile, secretFilesOf } from './alerts-file.ts';

/** Most bytes of an alerts file. */
const MAX_BYTES = 256 * 1024;

/**
 * Reads an alerts file, and checks that the secret files that it names can be read.
 *
 * @returns the configuration, or every problem with its place
 */
export const readAlertsFile = async (path: string): Promise<AlertsConfig | { readonly problems: readonly string[] }> => {
  let text: string;
  try {
    if ((await stat(path)).size > MAX_BYTES) return { problems: [`${path} has more than ${MAX_BYTES} bytes`] };
    text = await readFile(path, 'utf8');
  } catch (error) {
    return { problems: [`${path} cannot be read (${String(Reflect.get(Object(error), 'code'))})`] };
  }
  const parsed = parseAlertsFile(path, text);
  if ('problems' in parsed) return parsed;
  const problems = await missingSecrets(parsed);
  return problems.length > 0 ? { problems } : parsed;
};

const missingSecrets = async ({ receivers }: AlertsConfig): Promise<string[]> => {
  const problems: string[] = [];
  for (const receiver of receivers) {
    for (const file of secretFilesOf(receiver)) {
      const content = await readFile(file, 'utf8').catch((error: unknown) => error);
      if (typeof content !== 'string')
        problems.push(`receiver ${receiver.name}: ${file} cannot be read (${String(Reflect.get(Object(content), 'code'))})`);
      else if (content.trim() === '') problems.push(`receiver ${receiver.name}: ${file} is empty`);
    }
  }
  return problems;
};

/**
 * The alerts file, read again when it changes. If it has become invalid, its problems are logged,
 * and the previous configuration stays in force.
 */
export class AlertsFile {
  readonly #path: string | undefined;
  readonly #logger: Logger;
  #config: AlertsConfig;
  /**
   * Version of the file in force; undefined if the file has to be read, also after the start, as it
   * may have changed since it was read there.
   */
  #version: string | undefined;
  #problems: string = '';
  #isFirst: boolean = true;

  /** @param config as read at the start; undefined if there is no file */
  constructor(path: string | undefined, config: AlertsConfig | undefined, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    this.#config = config ?? NO_RECEIVERS;
  }

  get config(): AlertsConfig {
    return this.#config;
  }

  /** Reads the file if it has changed. */
  async refresh(): Promise<void> {
    if (this.#path === undefined) return;
    const version = await stat(this.#path).then(
      ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
      (error: unknown) => messageOf(error),
    );
    if (version === this.#version) return;
    const read = await readAlertsFile(this.#path);
    if ('problems' in read) {
      this.#noteProblems(read.problems);
      return;
    }
    this.#config = read;
    this.#version = version;
    this.#problems = '';
    if (!this.#isFirst)
      this.#logger.info({ path: this.#path, receivers: read.receivers.map(({ name }) => name) }, 'alerts file was read again');
    this.#isFirst = false;
  }

  /**
   * Logs the problems once. The next refresh reads the file again, as a missing secret may have
   * come meanwhile.
   */
  #noteProblems(problems: readonly string[]): void {
    this.#version = undefined;
    const text = problems.join('\n');
    if (text === this.#problems) return;
    this.#problems = text;
    this.#logger.error({ path: this.#path, problems }, 'alerts file is not valid; the one before stays in force');
  }
}
