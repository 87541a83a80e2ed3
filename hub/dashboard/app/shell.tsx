import {
  Badge,
  EmptyState,
  EmptyStateBody,
  Label,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  Nav,
  NavItem,
  NavList,
  Page,
  PageSection,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from '@patternfly/react-core';
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { fetchSource } from '../api/client.ts';
import { firingAlertsQuery } from '../api/queries.ts';
import { sessionQuery, useScope } from '../api/session.ts';
import { RoleButton } from '../components/buttons.tsx';
import { HasNavigated } from '../components/page-header.tsx';
import { showToast, Toasts } from '../components/toasts.tsx';
import { formatNumber } from '../lib/format.ts';
import { Brand, ThemeMenu } from './brand.tsx';
import { LiveBanner, LiveLabel } from './live/live-status.tsx';
import { useLive } from './live/use-live.ts';
import { AccountMenu } from './session/account-menu.tsx';
import { ExpiryWarning, SessionDialog, useSessionEnded } from './session/session-dialog.tsx';

const PAGES = [
  { to: '/', text: 'Overview' },
  { to: '/policies', text: 'Policies' },
  { to: '/plan', text: 'Plan' },
  { to: '/rollout', text: 'Rollout' },
  { to: '/clusters', text: 'Clusters' },
  { to: '/compliance', text: 'Compliance' },
  { to: '/alerts', text: 'Alerts' },
  { to: '/audit', text: 'Audit log' },
  { to: '/activity', text: 'Activity' },
] as const;

/**
 * Pages for users who see only a part of the fleet. They get the events instead of the audit log,
 * which covers the whole hub, as the rollout does.
 */
const SCOPED_PAGES = PAGES.filter(({ to }) => to !== '/rollout').map((page) =>
  page.to === '/audit' ? ({ to: '/audit/events', text: 'Events' } as const) : page,
);

const isAt = (pathname: string, to: string): boolean => (to === '/' ? pathname === '/' : pathname === to || pathname.startsWith(`${to}/`));

/** Interval of reads: no event announces that a maintenance window begins or ends. */
const COUNT_MS = 60_000;

/** Number of firing alerts. Renders nothing if there are none. */
const FiringBadge = () => {
  const { data: session } = useQuery(sessionQuery);
  const maySee = session !== undefined && session.role !== null;
  const { data } = useQuery({ ...firingAlertsQuery, enabled: maySee, refetchInterval: COUNT_MS });
  if (data === undefined || data.total === 0) return null;
  return (
    <Badge className={`fso-firing fso-firing-${data.worst}`} screenReaderText="firing">
      {formatNumber(data.total)}
    </Badge>
  );
};

const Navigation = ({ onFollow }: { readonly onFollow: () => void }) => {
  const { pathname } = useLocation();
  const pages = useScope() === undefined ? PAGES : SCOPED_PAGES;
  return (
    <Nav aria-label="Pages">
      <NavList>
        {pages.map(({ to, text }) => (
          <NavItem key={to} isActive={isAt(pathname, to)}>
            <Link to={to} onClick={onFollow} {...(isAt(pathname, to) ? { 'aria-current': 'page' as const } : {})}>
              {text}
              {to === '/alerts' ? <FiringBadge /> : null}
            </Link>
          </NavItem>
        ))}
      </NavList>
    </Nav>
  );
};

/** Button that makes the hub fetch the policy repository now. The result arrives on the stream. */
const FetchNow = () => {
  const fetchNow = useMutation({
    mutationFn: fetchSource,
    onSuccess: () => showToast({ variant: 'success', title: 'The hub is fetching the policy repository.' }),
    onError: (error) => showToast({ variant: 'danger', title: `Could not fetch: ${error.message}` }),
  });
  return (
    <RoleButton
      needs="operator"
      isForAll
      variant="secondary"
      size="sm"
      icon={<SyncAltIcon />}
      isLoading={fetchNow.isPending}
      onClick={() => fetchNow.mutate()}
    >
      Fetch now
    </RoleButton>
  );
};

/**
 * Label of the visible part of the fleet, so that its counts are not mistaken for those of the
 * whole.
 */
const ScopeLabel = () => {
  const scope = useScope();
  if (scope === undefined) return null;
  return (
    <ToolbarItem>
      <Label isCompact variant="outline" textMaxWidth="30ch">
        You see: {scope}
      </Label>
    </ToolbarItem>
  );
};

/** Page for a user without a role: their name, the role that they need, and who can grant it. */
const NoRole = ({ name }: { readonly name: string }) => (
  <PageSection hasBodyWrapper={false}>
    <EmptyState titleText="You have no role yet" headingLevel="h1" icon={LockIcon}>
      <EmptyStateBody>
        You are signed in as {name}, but none of your groups maps to a role in this hub. To read this dashboard you need the role{' '}
        <strong>viewer</strong>: ask an administrator of this hub to map one of your groups to it (FSO_OIDC_ROLE_MAP or FSO_ROLES_FILE),
        then sign in again.
      </EmptyStateBody>
    </EmptyState>
  </PageSection>
);

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
            <ScopeLabel />
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

/** Whether the user has left the first page. */
const useMoved = (): boolean => {
  const { pathname } = useLocation();
  const first = useRef(pathname);
  const [moved, setMoved] = useState(false);
  useEffect(() => {
    if (pathname !== first.current) setMoved(true);
  }, [pathname]);
  return moved || pathname !== first.current;
};

/** The layout around every page. */
export const Shell = ({ children = <Outlet /> }: { readonly children?: ReactNode }) => {
  const [isOpen, setOpen] = useState(wide.matches);
  const moved = useMoved();
  const { data: session } = useQuery(sessionQuery);
  const ended = useSessionEnded();
  useLive(session !== undefined && session.role !== null && !ended);
  // On a narrow screen the navigation covers the page.
  const onFollow = (): void => {
    if (!wide.matches) setOpen(false);
  };
  return (
    <HasNavigated value={moved}>
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
    </HasNavigated>
  );
};
