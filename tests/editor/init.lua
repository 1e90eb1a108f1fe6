-- The configuration that the README shows; Neovim 0.7 and later.
local migd
vim.api.nvim_create_autocmd('FileType', {
  pattern = { 'sql', 'toml' },
  callback = function(args)
    migd = migd or vim.lsp.start_client({ name = 'migd', cmd = { 'migd', 'lsp' } })
    vim.lsp.buf_attach_client(args.buf, migd)
  end,
})
