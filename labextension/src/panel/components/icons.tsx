/** Small line icons, 16 × 16, in the colour of the text around them. */
const PATHS = {
  add: 'M8 3v10M3 8h10',
  back: 'M10 3 5 8l5 5',
  check: 'm3 8.5 3.2 3.2L13 5',
  chevron: 'm4 6 4 4 4-4',
  clock: 'M8 4.5V8l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  close: 'm4 4 8 8M12 4l-8 8',
  down: 'M8 3v10m0 0 4-4m-4 4L4 9',
  environment: 'M8 1.8 13.5 5v6L8 14.2 2.5 11V5L8 1.8Zm0 6.3L13.2 5M8 8.1 2.8 5M8 8.1v6',
  error: 'M8 4.5V9m0 2.3v.2M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  external: 'M9 3h4v4M13 3 7.5 8.5M11 9.5V13H3V5h3.5',
  filter: 'M2.5 4h11M4.5 8h7M6.5 12h3',
  offline:
    'm2 2 12 12M5.5 12H11M4 7.2A3 3 0 0 0 4.5 12M7 5a4 4 0 0 1 4.8 2.8A2.2 2.2 0 0 1 13.6 11',
  refresh: 'M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3',
  remove: 'M3 8h10',
  search: 'm10.5 10.5 3 3M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0Z',
  undo: 'M3 6h6.5a3.5 3.5 0 0 1 0 7H6M3 6l3-3M3 6l3 3',
  up: 'M8 13V3m0 0 4 4M8 3 4 7',
  warning: 'M8 2.3 14.3 13H1.7L8 2.3ZM8 6.5v3m0 1.7v.2'
} as const;

export type IconName = keyof typeof PATHS;

/** Always beside a text or inside a button with a label, so never read out. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="jpkg-Icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
