import type { SessionView } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { isOtherSession } from './session-tabs.ts';

const session: SessionView = {
  kind: 'user',
  id: 'jane',
  name: 'Jane',
  role: 'viewer',
  grants: [{ role: 'viewer' }],
  expiresAt: '2026-01-03T10:30:00Z',
};

it('is another session when it ends at another time, or belongs to another user', () => {
  expect(isOtherSession(session, { ...session, name: 'Jane Doe' })).toBe(false);
  expect(isOtherSession(session, { ...session, expiresAt: '2026-01-03T18:30:00Z' })).toBe(true);
  expect(isOtherSession(session, { ...session, id: 'joe' })).toBe(true);
  expect(isOtherSession(undefined, session)).toBe(true);
});
