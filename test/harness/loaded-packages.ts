import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const programOf = (modules: readonly URL[]): string => `
import { registerHooks } from 'node:module';
const packages = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const [, name] = /\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(resolved.url) ?? [];
    if (name !== undefined) packages.add(name);
    return resolved;
  },
});
${modules.map(({ href }) => `await import('${href}');`).join('\n')}
console.log(JSON.stringify([...packages, ...process.moduleLoadList]));
`;

/**
 * Imports modules in a separate process. @returns the packages and modules of Node.js that are then
 * loaded
 */
export const packagesLoadedBy = async (...modules: readonly URL[]): Promise<readonly string[]> => {
  const args = ['--input-type=module', '--eval', programOf(modules)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return JSON.parse(output) as string[];
};

/** Returns the loaded packages of OpenTelemetry, except its API, which prom-client needs. */
export const telemetryIn = (packages: readonly string[]): readonly string[] =>
  packages.filter((name) => name.startsWith('@opentelemetry/') && name !== '@opentelemetry/api');
