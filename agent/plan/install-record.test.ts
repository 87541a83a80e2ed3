import { ANNOTATIONS, FIELD_MANAGERS, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hashBodies,
  type InstallRecord,
  planInstallRecord,
  readInstallRecord,
  readUninstallRequest,
  uninstalledText,
} from './install-record.ts';

const namespace = (annotations?: Record<string, string>): KubeObject => ({
  metadata: { name: SYSTEM_NAMESPACE, ...(annotations === undefined ? {} : { annotations }) },
});
/** The namespace after the writes of a plan. */
const written = (before: KubeObject, wanted: InstallRecord): KubeObject =>
  planInstallRecord(before, wanted).reduce<KubeObject>(
    ({ metadata }, action) =>
      namespace({ ...metadata.annotations, ...(action.type === 'apply' ? action.body.metadata.annotations : expect.fail()) }),
    before,
  );

const installed = fc.record({
  keys: fc.uniqueArray(fc.stringMatching(/^[A-Z][a-z]{1,9}\/[a-z.-]{1,9}$/), { maxLength: 5 }).map((keys) => keys.sort()),
  text: fc.stringMatching(/^[0-9a-f]{1,16}$/),
});

describe('the record of the installed objects', () => {
  it('survives a write over any content, and then needs no write', () => {
    fc.assert(
      fc.property(installed, installed, (first, second) => {
        const last = written(written(namespace({ team: 'x' }), first), second);
        expect(readInstallRecord(last)).toEqual(second);
        expect(planInstallRecord(last, second)).toEqual([]);
        expect(last.metadata.annotations?.['team']).toBe('x');
      }),
    );
  });

  it('is written by a field manager of its own, and leaves labels alone', () => {
    const [action] = planInstallRecord(namespace(), { keys: ['A/b'], text: 'x' });
    expect(action).toMatchObject({ type: 'apply', fieldManager: FIELD_MANAGERS.record, reason: 'Record', policies: [] });
    expect(action).toHaveProperty('body.metadata', {
      name: SYSTEM_NAMESPACE,
      annotations: { 'compliance.gov/installed': 'A/b', 'compliance.gov/installed-text': 'x' },
    });
  });

  it('is empty where nothing was written, and waits for the namespace', () => {
    expect(readInstallRecord(undefined)).toEqual({ keys: [], text: '' });
    expect(readInstallRecord(namespace())).toEqual({ keys: [], text: '' });
    expect(planInstallRecord(undefined, { keys: ['A/b'], text: 'x' })).toEqual([]);
  });
});

it('gives equal bodies equal hashes, and different bodies different ones', () => {
  expect(hashBodies([{ a: 1 }])).toBe(hashBodies([{ a: 1 }]));
  expect(hashBodies([{ a: 1 }])).not.toBe(hashBodies([{ a: 2 }]));
});

describe('the request to remove enforcement', () => {
  const { uninstallRequestedBy, uninstallReport } = ANNOTATIONS;

  it('names its user, and the outcome of the report once an agent answered', () => {
    expect(readUninstallRequest(undefined)).toBeUndefined();
    expect(readUninstallRequest(namespace({ [uninstallReport]: 'Reported' }))).toBeUndefined();
    expect(readUninstallRequest(namespace({ [uninstallRequestedBy]: 'ada' }))).toEqual({ user: 'ada', report: undefined });
    const answered = namespace({ [uninstallRequestedBy]: 'ada', [uninstallReport]: 'NoHub' });
    expect(readUninstallRequest(answered)).toEqual({ user: 'ada', report: 'NoHub' });
    expect(readUninstallRequest(namespace({ [uninstallRequestedBy]: 'ada', [uninstallReport]: 'x' }))?.report).toBeUndefined();
  });

  it('is taken back by the command that agents name', () => {
    expect(uninstalledText('ada')).toContain(`kubectl annotate namespace ${SYSTEM_NAMESPACE} ${uninstallRequestedBy}-`);
  });
});
