import { expect, it } from 'vitest';
import { formatAddCommand } from './commands.ts';

it('names every region of the cluster', () => {
  expect(formatAddCommand('eu', ['eu-west-1', 'eu-central-1'])).toBe('fso clusters add eu --region eu-west-1 --region eu-central-1');
});
