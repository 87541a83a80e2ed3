import { ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import AdjustIcon from '@patternfly/react-icons/dist/esm/icons/adjust-icon';
import MoonIcon from '@patternfly/react-icons/dist/esm/icons/moon-icon';
import SunIcon from '@patternfly/react-icons/dist/esm/icons/sun-icon';
import { useSyncExternalStore } from 'react';
import { getTheme, onThemeChange, setTheme, THEMES, type Theme } from '../lib/theme.ts';

/** The shield of favicon.svg and the name. */
export const Brand = () => (
  <span className="fso-brand">
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path className="fso-brand-shield" d="M16 2 4 6v9c0 7.5 5 12.6 12 15 7-2.4 12-7.5 12-15V6z" />
      <path className="fso-brand-tick" d="m10 16 4.5 4.5L22.5 12" />
    </svg>
    <span className="fso-brand-name">Federated Sovereignty</span>
  </span>
);

const THEME_LOOKS: Readonly<Record<Theme, { icon: typeof SunIcon; label: string }>> = {
  system: { icon: AdjustIcon, label: 'Use the system theme' },
  light: { icon: SunIcon, label: 'Light' },
  dark: { icon: MoonIcon, label: 'Dark' },
};

export const ThemeMenu = () => {
  const theme = useSyncExternalStore(onThemeChange, getTheme);
  return (
    <ToggleGroup aria-label="Theme" isCompact>
      {THEMES.map((name) => {
        const { icon: Icon, label } = THEME_LOOKS[name];
        return (
          <ToggleGroupItem
            key={name}
            buttonId={`theme-${name}`}
            aria-label={label}
            icon={<Icon />}
            isSelected={theme === name}
            onChange={() => setTheme(name)}
          />
        );
      })}
    </ToggleGroup>
  );
};
