import { describe, expect, it } from 'vitest';
import { trailersOf } from './trailers.ts';

const read = (message: string): string[] => trailersOf(message).map(({ key, value }) => `${key}=${value}`);

describe('trailers of a commit message', () => {
  it('are its last paragraph, with keys in any case', () => {
    expect(read('Fix\n\nRollout: immediate\n')).toEqual(['rollout=immediate']);
    expect(read('Fix\n\nWhy.\n\nROLLOUT : immediate \r\nSigned-off-by: Ana <a@b>\n\n \t\n')).toEqual([
      'rollout=immediate',
      'signed-off-by=Ana <a@b>',
    ]);
    expect(read('Fix\n\nReviewed-by: Bob\n  of the\n\tboard\nRollout: waves\nRollout: immediate')).toEqual([
      'reviewed-by=Bob of the board',
      'rollout=waves',
      'rollout=immediate',
    ]);
  });

  it('are neither the title, nor lines in the body, nor a paragraph with other lines', () => {
    for (const message of [
      '',
      '\n\n',
      'Rollout: immediate',
      '\n\nRollout: immediate\n',
      'Fix\nRollout: immediate\n',
      'Fix\n\nRollout: immediate\n\nThat is not how we do it.\n',
      'Fix\n\nRollout: immediate\nbut only in one\n',
      'Fix\n\nWe say\nRollout: immediate\n',
      'Fix\n\n  Rollout: immediate\n',
      'Fix\n\n> Rollout: immediate\n',
      'Fix\n\n\u00a0\nRollout: immediate\n',
      'Fix\n\nRollout: immediate\n\0',
      'Fix\0\n\nRollout: immediate\n',
    ])
      expect([message, read(message)]).toEqual([message, []]);
  });
});
