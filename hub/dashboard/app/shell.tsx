import {
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { sessionQuery } from '../api/session.ts';
import { Toasts } from '../components/toasts.tsx';
import { HasMoved } from '../lib/has-moved.ts';
import { Brand } from './brand.tsx';
import { FetchNow } from './fetch-now.tsx';
import { LiveBanner } from './live/live-banner.tsx';
import { LiveLabel } from './live/live-label.tsx';
import { useLive } from './live/use-live.ts';
import { Navigation } from './navigation.tsx';
import { AccountMenu } from './session/account-menu.tsx';
import { ExpiryWarning } from './session/expiry-warning.tsx';
import { NoRole } from './session/no-role.tsx';
import { SessionDialog, useSessionEnded } from './session/session-dialog.tsx';
import { ThemeMenu } from './theme-menu.tsx';

const MAIN = 'main';
const wide = window.matchMedia('(min-width: 75rem)');

const Header = ({ isOpen, onToggle }: { readonly isOpen: boolean; readonly onToggle: () => void }) => (
  <Masthead>
    <MastheadMain>
      <MastheadToggle>
        <PageToggleButton isHamburgerButton aria-label="Pages" isSidebarOpen={isOpen} onSidebarToggle={onToggle} id="pages-toggle" />
      </MastheadToggle>
      <MastheadBrand>
        <MastheadLogo component={(props) => <Link {...props} to="/" aria-label="Federated Sovereignty, overview" />}>
          <Brand />
        </MastheadLogo>
      </MastheadBrand>
    </MastheadMain>
    <MastheadContent>
      <Toolbar isStatic isFullHeight>
        <ToolbarContent>
          <ToolbarGroup align={{ default: 'alignEnd' }} alignItems="center" className="fso-masthead-tools">
            <ToolbarItem>
              <LiveLabel />
            </ToolbarItem>
            <ToolbarItem visibility={{ default: 'hidden', md: 'visible' }}>
              <FetchNow />
            </ToolbarItem>
            <ToolbarItem>
              <ThemeMenu />
            </ToolbarItem>
            <ToolbarItem>
              <AccountMenu />
            </ToolbarItem>
          </ToolbarGroup>
        </ToolbarContent>
      </Toolbar>
    </MastheadContent>
  </Masthead>
);

/** Whether another page than the first was shown. */
const useMoved = (): boolean => {
  const { pathname } = useLocation();
  const first = useRef(pathname);
  const [moved, setMoved] = useState(false);
  useEffect(() => {
    if (pathname !== first.current) setMoved(true);
  }, [pathname]);
  return moved || pathname !== first.current;
};

/** What stands around every page. */
export const Shell = ({ children = <Outlet /> }: { readonly children?: ReactNode }) => {
  const [isOpen, setOpen] = useState(wide.matches);
  const moved = useMoved();
  const { data: session } = useQuery(sessionQuery);
  const ended = useSessionEnded();
  useLive(session !== undefined && session.role !== null && !ended);
  // On a narrow screen the list of pages lies over the page that was chosen from it.
  const onFollow = (): void => {
    if (!wide.matches) setOpen(false);
  };
  return (
    <HasMoved value={moved}>
      <Page
        mainContainerId={MAIN}
        skipToContent={<SkipToContent href={`#${MAIN}`}>Skip to content</SkipToContent>}
        masthead={<Header isOpen={isOpen} onToggle={() => setOpen(!isOpen)} />}
        sidebar={
          <PageSidebar isSidebarOpen={isOpen} id="pages">
            <PageSidebarBody>
              <Navigation onFollow={onFollow} />
            </PageSidebarBody>
          </PageSidebar>
        }
      >
        <div className="fso-banners">
          <LiveBanner />
          <ExpiryWarning />
        </div>
        {session?.role === null ? <NoRole name={session.name} /> : children}
      </Page>
      <SessionDialog />
      <Toasts />
    </HasMoved>
  );
};
