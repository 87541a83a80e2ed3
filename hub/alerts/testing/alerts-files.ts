import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AlertsConfig, parseAlertsFile } from '../file/alerts-file.ts';

/** A folder for secrets, and the alerts file that names them. */
export interface AlertsFolder extends AsyncDisposable {
  /** @returns the path of a file with a secret */
  secret(name: string, text: string): Promise<string>;
  /** @returns the path of a file of any name */
  write(name: string, text: string): Promise<string>;
}

/** Creates a temporary {@link AlertsFolder}. */
export const openAlertsFolder = async (): Promise<AlertsFolder> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-alerts-'));
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  return {
    secret: (name, text) => write(name, `${text}\n`),
    write,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
};

/** The configuration in a text. @throws Error with its problems */
export const alertsConfig = (text: string): AlertsConfig => {
  const parsed = parseAlertsFile('alerts.yaml', text);
  if ('problems' in parsed) throw new Error(parsed.problems.join('\n'));
  return parsed;
};
