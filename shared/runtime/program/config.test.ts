import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, formatSettings, listSettings, parseConfig } from './config.ts';

const schema = z.object({
  NAME: z.string().describe('Name of the cluster.'),
  PORT: z.coerce.number().int().max(65_535).default(8080).describe('Port.'),
  TOKEN: z.string().min(20).optional(),
});

describe('parseConfig', () => {
  it('reads known variables; an empty one is absent', () => {
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
      expect(message).toContain('NAME: is not set (expected: Name of the cluster)');
      expect(message).toMatch(/PORT: .*65535.*\(expected: Port\)/);
      expect(message).toContain('TOKEN: ');
      expect(message).not.toContain('hunter2');
    }
  });
});

describe('listSettings', () => {
  const settings = listSettings(
    z.object({
      NAME: z.string().meta({ description: 'Name of the cluster.' }),
      PORT: z.coerce.number().default(8080).meta({ description: 'Port.' }),
      TOKEN: z.string().optional().meta({ description: 'Token.', fallback: 'none', secret: true }),
    }),
  );

  it('lists what is needed, which other values are accepted, and what a file may hold', () => {
    expect(settings).toEqual([
      { name: 'NAME', isNeeded: true, fallback: undefined, isSecret: false, description: 'Name of the cluster.' },
      { name: 'PORT', isNeeded: false, fallback: '8080', isSecret: false, description: 'Port.' },
      { name: 'TOKEN', isNeeded: false, fallback: 'none', isSecret: true, description: 'Token.' },
    ]);
  });

  it('makes help text of 100 columns', () => {
    expect(formatSettings(settings)).toBe(
      [
        `  ${'NAME'.padEnd(32)}Name of the cluster. Needed.`,
        `  ${'PORT'.padEnd(32)}Port. Default: 8080.`,
        `  ${'TOKEN'.padEnd(32)}Token. Default: none. A file instead: TOKEN_FILE.`,
      ].join('\n'),
    );
    const long = formatSettings(settings.map((setting) => ({ ...setting, description: 'word '.repeat(40).trim() }))).split('\n');
    expect(long.filter((line) => line.length > 100)).toEqual([]);
    expect(long.filter((line) => !line.startsWith(' '.repeat(34))).map((line) => line.split(/ +/)[1])).toEqual(['NAME', 'PORT', 'TOKEN']);
  });
});
