import { describe, expect, it } from 'vitest';
import { packagesLoadedBy, telemetryIn } from '../test/harness/loaded-packages.ts';

const HUB = new URL('./program.ts', import.meta.url);

describe('imports of the hub', () => {
  it('leave out modules that it may never use', async () => {
    const loaded = await packagesLoadedBy(HUB);

    expect(loaded).toContain('express');
    // Node's own fetch and WebSocket, which an import of node:http brings.
    expect(loaded).not.toContain('NativeModule internal/deps/undici/undici');
    // Requests to the Git server are made by Node.js itself.
    expect(loaded).not.toContain('undici');
    // Only clients of Kubernetes need it.
    expect(loaded).not.toContain('@kubernetes/client-node');
    // Traces are off by default.
    expect(telemetryIn(loaded)).toEqual([]);
  });

  it('bring the SDK for traces', async () => {
    expect(telemetryIn(await packagesLoadedBy(new URL('../shared/telemetry/sdk.ts', import.meta.url)))).toContain(
      '@opentelemetry/sdk-trace',
    );
  });
});
