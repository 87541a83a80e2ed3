import { afterAll, beforeAll, describe } from 'vitest';
import { itKnowsClusters, itKnowsThePast, itKnowsWhatIsObserved } from './cluster-tests.ts';
import { itFindsEvents, itKeepsAnAuditLog, itKeepsRecords } from './record-tests.ts';
import { itKeepsReports, itReadsPolicyLists } from './report-tests.ts';
import { type LedgerStore, TestLedger } from './test-ledger.ts';

/** What every ledger does, whatever stands behind it: the same tests for all of them. */
export const describeLedger = (what: string, openStore: () => Promise<LedgerStore>): void => {
  describe(`${what} ledger`, () => {
    const test = new TestLedger(openStore);
    beforeAll(() => test.open(), 60_000);
    afterAll(() => test.close());

    itKeepsReports(test);
    itReadsPolicyLists(test);
    itKnowsClusters(test);
    itFindsEvents(test);
    itKeepsAnAuditLog(test);
    itKeepsRecords(test);
    itKnowsThePast(test);
    itKnowsWhatIsObserved(test);
  });
};
