import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';

const HUB = new URL('./hub.ts', import.meta.url).href;

/** Imports the hub in a process of its own. @returns packages and modules of Node.js that are loaded then */
const PROGRAM = `
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
await import('${HUB}');
console.log(JSON.stringify([...packages, ...process.moduleLoadList]));
`;

const loadHub = async (): Promise<string[]> => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return JSON.parse(output) as string[];
};

describe('imports of the hub', () => {
  it('leave out modules that it may never use', async () => {
    const loaded = await loadHub();

    expect(loaded).toContain('express');
    // Node's own fetch and WebSocket, which an import of node:http brings.
    expect(loaded).not.toContain('NativeModule internal/deps/undici/undici');
    // Requests to the Git server are made by Node.js itself.
    expect(loaded).not.toContain('undici');
    // Only clients of Kubernetes need it.
    expect(loaded).not.toContain('@kubernetes/client-node');
  });
});
