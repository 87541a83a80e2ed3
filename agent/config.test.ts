import { parseConfig } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { AgentEnvironment, toAgentConfig } from './config.ts';

describe('AgentEnvironment', () => {
  it('needs only the name of the cluster', () => {
    const config = toAgentConfig(parseConfig(AgentEnvironment, { FSO_CLUSTER: 'eu' }));
    expect(config).toMatchObject({ cluster: 'eu', hub: undefined, leaderElection: true, retryMs: [5_000, 30_000] });
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 8081 });
  });

  it('names every problem together', () => {
    const env = { FSO_HUB_URL: 'http://hub', FSO_LISTEN: 'here', FSO_LEADER_ELECTION: 'perhaps' };
    expect(() => parseConfig(AgentEnvironment, env)).toThrow(/FSO_CLUSTER[\s\S]*FSO_HUB_URL[\s\S]*FSO_LISTEN[\s\S]*FSO_LEADER_ELECTION/);
  });

  it('wants a token for a hub', () => {
    expect(() => parseConfig(AgentEnvironment, { FSO_CLUSTER: 'eu', FSO_HUB_URL: 'wss://hub' })).toThrow('FSO_HUB_TOKEN');
  });
});
