import { Nav, NavItem, NavList } from '@patternfly/react-core';
import { Link, useLocation } from '@tanstack/react-router';

const PAGES = [
  { to: '/', text: 'Overview' },
  { to: '/policies', text: 'Policies' },
  { to: '/clusters', text: 'Clusters' },
  { to: '/compliance', text: 'Compliance' },
  { to: '/audit', text: 'Audit log' },
  { to: '/activity', text: 'Activity' },
] as const;

const isAt = (pathname: string, to: string): boolean => (to === '/' ? pathname === '/' : pathname === to || pathname.startsWith(`${to}/`));

export const Navigation = ({ onFollow }: { readonly onFollow: () => void }) => {
  const { pathname } = useLocation();
  return (
    <Nav aria-label="Pages">
      <NavList>
        {PAGES.map(({ to, text }) => (
          <NavItem key={to} isActive={isAt(pathname, to)}>
            <Link to={to} onClick={onFollow} {...(isAt(pathname, to) ? { 'aria-current': 'page' as const } : {})}>
              {text}
            </Link>
          </NavItem>
        ))}
      </NavList>
    </Nav>
  );
};
