import { describe, expect, it } from 'vitest';

import { isRunning, readPart } from '../../src/lab/output/parts';

const BASE = { schema: 1, kernel: null, job: null };

describe('readPart', () => {
  it('reads a plan as the kernel sends it', () => {
    const part = readPart({
      ...BASE,
      part: 'plan',
      plan: {
        environment: 'conda-env (conda, Python 3.11.7)',
        download_size: 1_500_000,
        steps: [
          {
            engine: 'rattler',
            engine_version: '0.28.0',
            ecosystem: 'conda',
            reason: 'a reason',
            changes: [
              {
                action: 'upgrade',
                before: { name: 'rich', version: '13.0', source: 'PyPI' },
                after: { name: 'rich', version: '14.0', source: 'conda-forge' },
                requested: true,
                reason: 'requested'
              },
              { action: 'remove', before: { name: 'old', version: '1' }, after: null }
            ]
          }
        ],
        warnings: [{ reference: 'r', message: 'mind the gap', hint: null }],
        blockers: []
      }
    });
    expect(part).toMatchObject({
      part: 'plan',
      environment: 'conda-env (conda, Python 3.11.7)',
      downloadSize: 1_500_000,
      warnings: [{ message: 'mind the gap', hint: '' }],
      steps: [
        {
          engine: 'conda · rattler 0.28.0',
          reason: 'a reason',
          changes: [
            { name: 'rich', before: '13.0', after: '14.0', source: 'conda-forge', requested: true },
            { action: 'remove', name: 'old', before: '1', after: '', requested: false }
          ]
        }
      ]
    });
  });

  it('takes the text beside it where a document has none', () => {
    const verdict = { ...BASE, part: 'verdict', level: 'required', modules: ['numpy'] };
    expect(readPart(verdict, 'restart now')).toMatchObject({
      level: 'required',
      text: 'restart now'
    });
    expect(readPart({ ...verdict, text: 'its own' }, 'restart now')).toMatchObject({
      text: 'its own'
    });
  });

  it.each([
    ['nothing', undefined],
    ['a list', []],
    ['no schema', { part: 'result' }],
    ['a later schema', { ...BASE, schema: 2, part: 'result' }],
    ['an unknown part', { ...BASE, part: 'dance' }]
  ])('leaves %s to the text form', (_, document) => {
    expect(readPart(document)).toBeNull();
  });

  it.each(['plan', 'progress', 'result', 'verdict', 'hint', 'message', 'error'])(
    'reads a %s in which everything is of the wrong kind',
    part => {
      const odd = {
        schema: 1,
        part,
        kernel: 7,
        job: {},
        text: [],
        plan: 'x',
        steps: 3,
        changes: null
      };
      expect(
        readPart({ ...odd, verdict: [], level: 1, modules: 'm', context: 5, error: 'e' })
      ).toMatchObject({
        part,
        kernel: null,
        job: null,
        text: ''
      });
    }
  );
});

it('knows what can still be stopped', () => {
  expect(['queued', 'started', 'running', 'finished', 'failed', 'stopped'].map(isRunning)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false
  ]);
});
