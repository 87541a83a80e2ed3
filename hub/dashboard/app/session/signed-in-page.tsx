import { useEffect } from 'react';
import { tellSignedIn } from './signed-in.ts';

/** Where a login ends that another tab began: that tab goes on, and this one is no longer needed. */
export const SignedInPage = () => {
  useEffect(() => {
    document.title = 'Signed in · Federated Sovereignty';
    tellSignedIn();
    window.close();
  }, []);
  return (
    <main className="fso-login">
      <p>You are signed in. This tab can be closed.</p>
    </main>
  );
};
