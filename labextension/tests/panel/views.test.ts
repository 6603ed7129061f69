// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { PanelModel } from '../../src/panel/model';
import { Details } from '../../src/panel/model/details';
import { RestPackageService } from '../../src/panel/service';
import { english } from '../../src/panel/translation';
import { MemoryServer, errorOf } from '../memory/server';
import { analysis, makeWorld } from '../memory/world';
import { connect, modelOf, until } from './connected';

let server: MemoryServer;
let model: PanelModel;

const connected = () => connect(model, 'kernel-1');

beforeEach(() => {
  server = new MemoryServer(makeWorld());
  model = modelOf(server);
});

afterEach(() => model.dispose());

describe('the list', () => {
  beforeEach(() => connected());
  const names = () => model.packages.state.visible.map(({ row }) => row.name);

  it('is filtered by name and summary, names that begin so first', () => {
    model.packages.setFilter('py');
    expect(names().slice(0, 4)).toEqual(['pygments', 'pyparsing', 'python', 'python-dateutil']);
    model.packages.setFilter('dataframe');
    expect(names()).toEqual(['polars']);
  });

  it('shows only what is asked for', () => {
    model.packages.setShow('outdated');
    expect(names()).toEqual(['numpy', 'openssl', 'polars']);
    model.packages.setShow('problems');
    expect(names()).toEqual(['certifi']);
    model.packages.setShow('requested');
    expect(names()).toContain('lab-notes');
    expect(names()).not.toContain('six');
  });

  it('is sorted by any column, both ways, by name within', () => {
    model.packages.sort('name');
    expect(names()[0]).toBe('zstd');
    model.packages.sort('size');
    expect(names().slice(0, 2)).toEqual(['polars', 'python']);
    model.packages.sort('version');
    const versions = model.packages.state.visible.map(({ row }) => row.version);
    expect(versions).toContain('3.5.2');
    expect(versions.indexOf('3.5.2')).toBeLessThan(versions.indexOf('3.10.1'));
    expect(versions.at(-1)).toBe('2025.2');
  });

  it('stays the same object when nothing changed on the server', async () => {
    const before = model.packages.state.all;
    await model.packages.refresh();
    expect(model.packages.state.all).toBe(before);
  });

  it('is read again when others changed the environment, and only then', async () => {
    const count = () =>
      server.requests.filter(text => text === 'GET environments/env-analysis/packages').length;
    model.environmentChanged('another', 'x');
    model.environmentChanged(analysis.id, 'f1');
    expect(count()).toBe(1);
    server.world.packages[analysis.id] = {
      fingerprint: 'f2',
      packages: [],
      problems: [],
      notes: []
    };
    model.environmentChanged(analysis.id, 'f2');
    await until(() => model.packages.state.fingerprint === 'f2');
    expect(model.packages.state.visible).toEqual([]);
  });
});

describe('search', () => {
  beforeEach(() => connected());

  it('shows names at once and fills them in with what the server says', async () => {
    model.setTab('search');
    await until(() => model.search.state.names === 'ready');
    model.search.setText('scikit');
    expect(model.search.state.found[0]).toMatchObject({ name: 'scikit-rf', version: '' });
    const before = model.search.state.found.map(({ name }) => name);
    await until(() => model.search.state.asking === 'ready');
    expect(model.search.state.found.map(({ name }) => name)).toEqual(before);
    expect(model.search.state.found).toContainEqual(
      expect.objectContaining({ name: 'scikit-learn', version: '1.7.0' })
    );
  });

  it('asks the server once for letters that follow each other', async () => {
    for (const text of ['s', 'sc', 'sci']) {
      model.search.setText(text);
    }
    await until(() => model.search.state.asking === 'ready');
    expect(server.requests.filter(text => text.includes('/search'))).toEqual([
      'GET environments/env-analysis/search?q=sci&limit=20'
    ]);
  });

  it('understands what is pasted', () => {
    model.search.setText('!pip install rich');
    expect(model.search.state.understood).toMatchObject({ request: { command: 'install rich' } });
    expect(model.search.state.found).toEqual([]);
  });
});

describe('details, history and doctor', () => {
  beforeEach(() => connected());

  it('lead from package to package and back', async () => {
    await model.details.show('numpy');
    expect(model.details.state.versions?.versions).toHaveLength(6);
    await model.details.show('scikit-learn', { from: 'numpy' });
    expect(model.details.state).toMatchObject({ name: 'scikit-learn', trail: ['numpy'] });
    await model.details.back();
    expect(model.details.state).toMatchObject({ name: 'numpy', trail: [] });
    await model.details.back();
    expect(model.details.state).toMatchObject({ name: null, closed: 1 });
  });

  it('get no late answer about the one before', async () => {
    let answer: (value: null) => void = () => undefined;
    const seen: unknown[] = [];
    server.world.versions.numpy = { name: 'numpy', ecosystem: 'pypi', source: '', versions: [] };
    const late = new Promise<null>(resolve => (answer = resolve));
    const { transport } = server;
    const details = new Details({
      service: new RestPackageService(async request => {
        const response = await transport(request);
        if (request.path.includes('versions/numpy')) {
          await late;
        } else if (request.path.endsWith('packages/polars')) {
          answer(null); // the answer about numpy overtakes this one
          await new Promise(resolve => setTimeout(resolve, 5));
          seen.push(details.state.versions);
        }
        return response;
      }),
      trans: english,
      say: () => undefined,
      noteLost: () => false,
      explain: error => model.explain(error)
    });
    details.open(analysis.id);
    void details.show('numpy');
    await until(() => details.state.details !== null);
    await details.show('polars');
    expect(seen).toEqual([null]);
  });

  it('show what the server says of a package it does not know', async () => {
    await model.details.show('nobody');
    expect(model.details.state).toMatchObject({
      loading: 'failed',
      error: { reference: 'package-not-found' }
    });
  });

  it('read the history newest first', async () => {
    model.setTab('history');
    await until(() => model.history.state.loading === 'ready');
    expect(model.history.state.entries.map(({ id }) => id)).toEqual([
      't-5',
      't-4',
      't-3',
      't-2',
      't-1'
    ]);
  });

  it('say how many problems were found', async () => {
    const problem = {
      reference: 'x',
      message: 'm',
      packages: [],
      path: null,
      hint: null,
      command: 'install x'
    };
    server.onJob = job => server.end(job.id, 'succeeded', { result: { problems: [problem] } });
    await model.doctor.examine(true);
    expect(model.doctor.state).toMatchObject({ phase: 'ready', problems: [problem], files: true });
    expect(model.announcer.state.text).toBe('1 problem found');
  });

  it('do not call an examination that failed a good one', async () => {
    server.onJob = job => server.end(job.id, 'failed', { error: errorOf('no disk') });
    await model.doctor.examine(true);
    expect(model.doctor.state).toMatchObject({ phase: 'failed', error: { message: 'no disk' } });
    expect(model.announcer.state.text).not.toContain('problem');
  });

  it('look again after a change, if somebody watches', async () => {
    let problems = [
      { reference: 'x', message: 'm', packages: [], path: null, hint: null, command: null }
    ];
    server.onJob = job => server.end(job.id, 'succeeded', { result: { problems } });
    model.setTab('problems');
    await model.doctor.examine(false);
    expect(model.doctor.state.problems).toHaveLength(1);
    problems = [];
    model.environmentChanged(analysis.id, 'another');
    await until(() => model.doctor.state.phase === 'ready' && !model.doctor.state.problems.length);
    model.setTab('installed');
    model.environmentChanged(analysis.id, 'one more');
    expect(model.doctor.state.phase).toBe('none');
    expect(server.jobsOf('doctor')).toHaveLength(2);
  });
});
