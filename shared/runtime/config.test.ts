import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, parseConfig } from './config.ts';

const schema = z.object({
  NAME: z.string().describe('Name of the cluster.'),
  PORT: z.coerce.number().int().max(65_535).default(8080).describe('Port.'),
  TOKEN: z.string().min(20).optional(),
});

describe('parseConfig', () => {
  it('reads what it knows; empty is absent', () => {
    expect(parseConfig(schema, { NAME: 'us', PORT: '', OTHER: 'x' })).toEqual({ NAME: 'us', PORT: 8080 });
  });

  it('names every problem at once, without the values', () => {
    const run = () => parseConfig(schema, { PORT: '99999', TOKEN: 'hunter2' });
    expect(run).toThrow(ConfigError);
    try {
      run();
    } catch (error) {
      const { message, problems } = error as ConfigError;
      expect(problems).toHaveLength(3);
      expect(message).toContain('NAME: is not set (expected: Name of the cluster.)');
      expect(message).toMatch(/PORT: .*65535.*\(expected: Port\.\)/);
      expect(message).toContain('TOKEN: ');
      expect(message).not.toContain('hunter2');
    }
  });
});
