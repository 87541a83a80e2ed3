import { config } from 'zod';

// Must run before any schema is created. Otherwise zod tries `new Function`, which the
// Content-Security-Policy refuses and the browser reports.
config({ jitless: true });
