import './zod-without-eval.ts';
import '@patternfly/react-core/dist/styles/base.css';
import './app.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createQueryClient } from './query-client.ts';
import { createAppRouter } from './router.ts';
import { hasLinkToken, takeLinkToken } from './session/login-urls.ts';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element with the id root');

const linkToken = takeLinkToken(window.location, window.history);
// A link that is opened in a tab at the login page changes only the fragment.
window.addEventListener('hashchange', () => {
  if (hasLinkToken(window.location)) window.location.reload();
});
const queryClient = createQueryClient();
const router = createAppRouter({ queryClient, linkToken });

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
