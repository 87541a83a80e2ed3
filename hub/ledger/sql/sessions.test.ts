import { describe, expect, it } from 'vitest';
import { checkSessions } from './sessions.ts';

/** Sessions of a server, whose statements run in the process that `processOf` says. */
const connectTo = (processOf: (session: number, statement: string) => number) => {
  let sessions = 0;
  const open = { now: 0 };
  const connect = async () => {
    sessions += 1;
    open.now += 1;
    const own = sessions;
    return {
      query: async (statement: string) => ({ rows: [{ pid: processOf(own, statement) }] }),
      end: async () => {
        open.now -= 1;
      },
    };
  };
  return { connect: connect as unknown as Parameters<typeof checkSessions>[0], open };
};

describe('sessions of the database', () => {
  it('are fine where each has a process of its own, and none is left open', async () => {
    const { connect, open } = connectTo((session) => session);
    await checkSessions(connect);
    expect(open.now).toBe(0);
  });

  it.each([
    ['every session gets the same process', () => 1],
    ['a transaction keeps the process of another session', (session: number, _: string, asked: number) => (asked > 2 ? 3 : session)],
  ])('are refused where %s', async (_what, processOf) => {
    let asked = 0;
    const { connect, open } = connectTo((session, statement) => {
      if (statement.startsWith('select')) asked += 1;
      return processOf(session, statement, asked);
    });
    await expect(checkSessions(connect)).rejects.toThrow(/pooler that shares sessions .* pool_mode=session/);
    expect(open.now).toBe(0);
  });
});
