import { expect, it } from 'vitest';
import { formatAddCommand, formatEnrolCommands } from './commands.ts';

it('names every region of the cluster', () => {
  expect(formatAddCommand('eu', ['eu-west-1', 'eu-central-1'])).toBe('fso clusters add eu --region eu-west-1 --region eu-central-1');
});

it('gives the agent what it needs', () => {
  const text = formatEnrolCommands({ cluster: 'eu', agentUrl: 'wss://hub:8443', token: 'fso1.eu.secret' });
  expect(text).toContain('FSO_CLUSTER=eu FSO_HUB_URL=wss://hub:8443 FSO_ENROLL_TOKEN=fso1.eu.secret');
});
