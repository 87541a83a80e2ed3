import { describe, expect, it } from 'vitest';
import { isConstraintEnforced, isTemplateReady } from './gatekeeper.ts';
import { eu, settle, template } from './testing/plans.ts';

describe('readiness', () => {
  const [constraint] = settle([eu], []);
  const live = constraint ?? expect.fail();
  const [pod] = live.status?.byPod ?? [];

  it('requires every Gatekeeper pod at the current generation of the current object, a webhook among them', () => {
    expect(isConstraintEnforced(live)).toBe(true);
    const broken = [
      [],
      [{ ...pod, observedGeneration: 0 }],
      [{ ...pod, constraintUID: 'former' }],
      [{ ...pod, enforced: false }],
      [{ ...pod, errors: [{ message: 'x' }] }],
      [{ ...pod, operations: ['audit'] }],
      [pod ?? {}, { ...pod, observedGeneration: 0 }],
    ];
    for (const byPod of broken) expect(isConstraintEnforced({ ...live, status: { byPod } })).toBe(false);
  });

  it('requires the template compiled by every pod', () => {
    const metadata = { ...template.metadata, uid: 't', generation: 2 };
    const byPod = [{ observedGeneration: 2, templateUID: 't' }];
    expect(isTemplateReady({ ...template, metadata, status: { created: true, byPod } })).toBe(true);
    expect(isTemplateReady({ ...template, metadata, status: { created: true, byPod: [] } })).toBe(false);
    expect(isTemplateReady({ ...template, metadata, status: { created: false, byPod } })).toBe(false);
    expect(
      isTemplateReady({ ...template, metadata, status: { created: true, byPod: [{ observedGeneration: 1, templateUID: 't' }] } }),
    ).toBe(false);
  });
});
