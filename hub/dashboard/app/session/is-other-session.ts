import type { SessionView } from '@fso/shared/api';

/** Whether somebody has signed in since: a session that is still the same one says nothing of that. */
export const isOtherSession = (before: SessionView | undefined, now: SessionView): boolean =>
  before === undefined || before.id !== now.id || before.kind !== now.kind || before.expiresAt !== now.expiresAt;
