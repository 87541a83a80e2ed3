import { describe, expect, it } from 'vitest';
import { createLogger } from './logger.ts';

describe('createLogger', () => {
  it('writes JSON lines without secrets', () => {
    const lines: string[] = [];
    const logger = createLogger({ name: 'fso', level: 'info', destination: { write: (line: string) => void lines.push(line) } });
    logger.debug('not this');
    logger.info(
      { cluster: 'us', token: 'hunter2', request: { headers: { authorization: 'Bearer hunter2' } }, err: new Error('why') },
      'hello',
    );
    const line = lines[0] ?? '';
    expect(lines).toHaveLength(1);
    expect(line).not.toContain('hunter2');
    expect(JSON.parse(line)).toMatchObject({ name: 'fso', level: 'info', cluster: 'us', msg: 'hello', err: { message: 'why' } });
  });
});
