import { expect, it } from 'vitest';
import { parseSendQueues } from './tcp-queues.ts';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C001 01 00000400:00000000 04:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:C002 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 0100007F:1F90 0100007F:C004 01 00000200:00000000 01:00000014 00000000     0        0 6 1 0 20 4 30 10 -1
   4: 0100007F:C001 0100007F:1F90 01 00000010:00020000 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   5: 0100007F:1F90 0100007F:C003 08 00000001:00000000 04:00000000 00000000     0        0 5 1 0 20 4 30 10 -1
`;

it('counts open connections of the listener whose window is closed, and not those on which bytes are under way', () => {
  expect(parseSendQueues(TABLE, 8080)).toEqual({ full: 1, bytes: 1024 });
  expect(parseSendQueues(TABLE, 8081)).toEqual({ full: 0, bytes: 0 });
});
