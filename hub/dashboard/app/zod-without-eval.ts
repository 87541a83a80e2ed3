import { config } from 'zod';

// Before any schema is made: else zod tries `new Function`, which the Content-Security-Policy
// refuses and the browser reports.
config({ jitless: true });
