import js from '@eslint/js';
import jupyter from '@jupyter/eslint-plugin';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

/** The panel knows no host: nothing of JupyterLab or Lumino, no other part of this extension. */
const hostFree = {
  patterns: [
    { group: ['@jupyterlab/*', '@lumino/*'], message: 'the panel knows no host' },
    { group: ['**/lab/*', '**/widget/*'], message: 'hosts import the panel, never the other way' }
  ]
};

export default tseslint.config(
  { ignores: ['lib/', 'node_modules/', 'coverage/', 'screenshots/', 'dev/dist/'] },
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: './tsconfig.check.json', tsconfigRootDir: import.meta.dirname }
    },
    plugins: { 'react-hooks': hooks, jupyter },
    rules: {
      ...hooks.configs.recommended.rules,
      'react-hooks/incompatible-library': 'off', // it speaks of the React Compiler, which isn't used
      curly: 'error',
      eqeqeq: 'error',
      'no-console': 'error',
      'prefer-arrow-callback': 'error',
      'max-lines': ['error', 600],
      'jupyter/no-untranslated-string': 'error',
      'jupyter/no-dynamic-translation': 'error',
      'jupyter/no-translation-concatenation': 'error',
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'interface', format: ['PascalCase'], custom: { regex: '^I[A-Z]', match: true } }
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }]
    }
  },
  { files: ['src/panel/**'], rules: { 'no-restricted-imports': ['error', hostFree] } },
  {
    files: ['src/lab/**'],
    rules: {
      '@typescript-eslint/unbound-method': 'off', // Lumino's signals take a method and its object
      'jupyter/command-described-by': 'error',
      'jupyter/plugin-activation-args': 'error',
      'jupyter/plugin-description': 'error',
      'jupyter/token-format': 'error'
    }
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly' } }
  },
  {
    files: ['bench/*.mjs'], // what is handed to a page stands beside what runs here
    languageOptions: {
      globals: {
        document: 'readonly',
        performance: 'readonly',
        requestAnimationFrame: 'readonly',
        window: 'readonly'
      }
    }
  },
  {
    files: ['tests/**', 'dev/**', 'bench/**'],
    rules: {
      // React 18.2 has no type of `act` where the testing library looks for one
      '@typescript-eslint/no-unsafe-call': 'off',
      'jupyter/no-untranslated-string': 'off',
      'no-console': 'off'
    }
  }
);
