import { afterAll, beforeAll, describe } from 'vitest';
import { itKeepsFacts, itKnowsClusters, itKnowsThePast, itKnowsWhatIsObserved } from './cluster-tests.ts';
import { itFindsEvents, itKeepsAnAuditLog, itKeepsRecords } from './record-tests.ts';
import { itKeepsReports, itReadsPolicyLists } from './report-tests.ts';
import { type LedgerStore, TestLedger } from './test-ledger.ts';

/** Defines the tests of every ledger, whatever its storage. */
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
    itKeepsFacts(test);
    itKnowsThePast(test);
    itKnowsWhatIsObserved(test);
  });
};
