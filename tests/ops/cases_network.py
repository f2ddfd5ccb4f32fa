"""Cases: what networks are built of."""

CASES = """
F.linear(x, y, z) | x: 2,3 | y: 2,3 | z: 2
F.bilinear(x, y, z) | x: 2,3 | y: 2,2 | z: 2,3,2
F.glu(x) | x: 2,4
F.prelu(x, y) | x: 2,3 | y: p 3
F.softmin(x, 1) | x: 2,3
F.dropout(x, 0.5, False) | x: 2,3
F.conv1d(x, y, z, padding=1) | x: 1,2,4 | y: 3,2,3 | z: 3
F.conv2d(x, y, stride=2) | x: 1,1,4,4 | y: 2,1,2,2
F.conv3d(x, y) | x: 1,1,2,3,2 | y: 1,1,2,2,1
F.conv_transpose2d(x, y, stride=2) | x: 1,2,2,2 | y: 2,1,2,2
F.conv_transpose2d(x, y, stride=1, output_padding=1, dilation=2) | x: 2,1,2,2 | y: 1,1,2,2
F.unfold(x, 2) | x: 1,1,3,3
F.fold(x, (3, 3), 2) | x: 1,4,4
F.avg_pool1d(x, 2) | x: 1,2,4
F.avg_pool2d(x, 2, 1) | x: 1,1,3,3
F.avg_pool3d(x, 2) | x: 1,1,2,2,2
F.max_pool1d(x, 2) | x: 1,2,4
F.max_pool2d(x, 2, 1) | x: 1,1,3,3
F.max_pool3d(x, 2) | x: 1,1,2,2,4
F.adaptive_avg_pool1d(x, 2) | x: 1,2,5
F.adaptive_avg_pool2d(x, 2) | x: 1,1,3,3
F.adaptive_avg_pool3d(x, (1, 1, 2)) | x: 1,1,2,2,3 | real
F.adaptive_max_pool2d(x, 2) | x: 1,1,3,3
F.adaptive_max_pool3d(x, 1) | x: 1,1,2,2,3
F.lp_pool2d(x, 2, 2) | x: 1,1,4,4
F.max_unpool2d(x, torch.tensor([[[[0, 3], [8, 10]]]]), 2) | x: 1,1,2,2
F.max_unpool3d(x, torch.tensor([[[[[3]]]]]), 2) | x: 1,1,1,1,1
F.fractional_max_pool2d(x, 2, 2, _random_samples=y) | x: 1,1,4,4 | y: ku 1,1,2
F.fractional_max_pool3d(x, 1, (1, 2, 2), _random_samples=y) | x: 1,1,2,3,3 | y: ku 1,1,3
F.pad(x, (1, 2)) | x: 2,3
F.pad(x, (1, 2), "reflect") | x: 1,2,4
F.pad(x, (1, 0, 1, 1), "reflect") | x: 1,1,3,3
F.pad(x, (1, 0, 0, 1, 1, 0), "reflect") | x: 1,1,2,2,2
F.pad(x, (1, 2), "replicate") | x: 1,2,3
F.pad(x, (1, 0, 1, 1), "replicate") | x: 1,1,2,2
F.pad(x, (1, 0, 0, 1, 1, 0), "replicate") | x: 1,1,2,2,2
F.pad(x, (1, 2), "circular") | x: 1,2,3
F.pixel_shuffle(x, 2) | x: 1,4,1,2
F.pixel_unshuffle(x, 2) | x: 1,1,2,4
F.channel_shuffle(x, 2) | x: 1,4,2
F.interpolate(x, scale_factor=2, mode="nearest") | x: 1,2,3
F.interpolate(x, scale_factor=2, mode="nearest-exact") | x: 1,2,3
F.interpolate(x, size=(3, 3), mode="nearest") | x: 1,1,2,2
F.interpolate(x, size=(3, 3), mode="nearest-exact") | x: 1,1,2,2
F.interpolate(x, size=(3, 1, 2), mode="nearest") | x: 1,1,2,2,2
F.interpolate(x, size=(3, 1, 2), mode="nearest-exact") | x: 1,1,2,2,2
F.interpolate(x, size=5, mode="linear") | x: 1,2,3
F.interpolate(x, size=(3, 3), mode="bilinear") | x: 1,1,2,2
F.interpolate(x, size=(2, 2), mode="bilinear", antialias=True) | x: 1,1,4,3
F.interpolate(x, size=(3, 3), mode="bicubic") | x: 1,1,2,2
F.interpolate(x, size=(2, 2), mode="bicubic", antialias=True) | x: 1,1,4,3
F.interpolate(x, size=(3, 1, 2), mode="trilinear") | x: 1,1,2,2,2
F.grid_sample(x, y, align_corners=False) | x: 1,1,3,3 | y: u 1,2,2,2 | first
F.grid_sample(x, y, "bicubic", align_corners=True) | x: 1,1,3,3 | y: u 1,1,2,2 | first
F.affine_grid(x, (1, 1, 2, 2), align_corners=False) | x: 1,2,3
F.batch_norm(x, None, None, y, z, True) | x: 4,2 | y: 2 | z: p 2
F.batch_norm(x, y, z) | x: 4,2 | y: k 2 | z: kp 2
F.batch_norm(x, y, z, w, None, True) | x: 4,2 | y: k 2 | z: kp 2 | w: 2
F.layer_norm(x, (3,), y, z) | x: 2,3 | y: 3 | z: 3
F.group_norm(x, 2, y, z) | x: 2,4 | y: 4 | z: 4 | dense
F.instance_norm(x) | x: 1,2,4
F.rms_norm(x, (3,), y) | x: 2,3 | y: 3
F.local_response_norm(x, 2) | x: 1,3,2
F.embedding(x, y) | x: i4 3 | y: 4,2
F.embedding_bag(x, y, mode="mean") | x: i4 2,3 | y: 4,2
F.one_hot(x, 5) | x: i4 3
F.scaled_dot_product_attention(x, y, z) | x: 1,2,3 | y: 1,3,3 | z: 1,3,2
F.scaled_dot_product_attention(x, y, z, is_causal=True) | x: 1,2,2 | y: 1,2,2 | z: 1,2,2
F.binary_cross_entropy(x, y) | x: u 2,3 | y: ku 2,3
F.binary_cross_entropy_with_logits(x, y) | x: 2,3 | y: ku 2,3
F.cross_entropy(x, y) | x: 3,4 | y: i4 3
F.cross_entropy(x, y, label_smoothing=0.1, reduction="none") | x: 3,4 | y: i4 3
F.cross_entropy(x, y) | x: 3,4 | y: ku 3,4
F.cross_entropy(x, y) | x: 1,3,2,2 | y: i3 1,2,2
F.nll_loss(x, y) | x: 3,4 | y: i4 3
F.nll_loss(x, y) | x: 1,3,2,2 | y: i3 1,2,2
F.mse_loss(x, y) | x: 2,3 | y: 2,3
F.l1_loss(x, y) | x: 2,3 | y: 2,3
F.huber_loss(x, y) | x: 2,3 | y: 2,3
F.smooth_l1_loss(x, y, beta=0.5) | x: 2,3 | y: 2,3
F.kl_div(x, y, reduction="sum") | x: 2,3 | y: ku 2,3
F.poisson_nll_loss(x, y) | x: 2,3 | y: kp 2,3
F.gaussian_nll_loss(x, y, z) | x: 2,3 | y: k 2,3 | z: p 2,3
F.soft_margin_loss(x, y.sign()) | x: 2,3 | y: k 2,3
F.multi_margin_loss(x, y) | x: 2,3 | y: i3 2
F.multilabel_soft_margin_loss(x, y) | x: 2,3 | y: ku 2,3
F.triplet_margin_loss(x, y, z) | x: 2,3 | y: 2,3 | z: 2,3
F.cosine_embedding_loss(x, y, z.sign()) | x: 2,3 | y: 2,3 | z: k 2
F.cosine_similarity(x, y) | x: 2,3 | y: 2,3
F.pairwise_distance(x, y) | x: 2,3 | y: 2,3
F.ctc_loss(x.log_softmax(2), torch.tensor([[1, 2]]), (4,), (2,)) | x: 4,1,3 | first
torch.cdist(x, y) | x: 2,3 | y: 3,3
torch.pdist(x) | x: 3,2
torch.gru_cell(x, y, z, w) | x: 1,2 | y: 1,2 | z: 6,2 | w: 6,2
torch.lstm_cell(x, (y, y), z, w) | x: 1,2 | y: 1,2 | z: 8,2 | w: 8,2
torch.nuclear_norm(x) | x: 2,3
torch.kl_div(x, y, 2) | x: 2,3 | y: ku 2,3
torch.native_group_norm(x, y, z, 1, 4, 2, 2, 1e-5) | x: 1,4,2 | y: 4 | z: 4 | dense
"""
